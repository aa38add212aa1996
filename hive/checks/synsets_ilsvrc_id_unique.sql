-- two synsets have the same ilsvrc_id
SELECT ilsvrc_id, COUNT(*) AS n
FROM synsets
WHERE ilsvrc_id IS NOT NULL
GROUP BY ilsvrc_id
HAVING COUNT(*) > 1;

-- a group of duplicates is of one image, or has not just one that is its first
SELECT group_key, COUNT(*) AS n, SUM(CASE WHEN key = group_key THEN 1 ELSE 0 END) AS n_first
FROM duplicates
GROUP BY group_key
HAVING COUNT(*) < 2 OR SUM(CASE WHEN key = group_key THEN 1 ELSE 0 END) <> 1;

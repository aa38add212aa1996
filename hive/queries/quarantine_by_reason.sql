-- What is not used, by reason, with the first and the last name
SELECT
    reason,
    kind,
    split,
    COUNT(*) AS n,
    SUM(bytes) AS bytes,
    MIN(name) AS first_name,
    MAX(name) AS last_name
FROM quarantine
GROUP BY reason, kind, split
ORDER BY reason, kind, split;

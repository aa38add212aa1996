-- an image is in two groups of duplicates
SELECT key, COUNT(*) AS n
FROM duplicates
GROUP BY key
HAVING COUNT(*) > 1;

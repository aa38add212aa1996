-- two images have the same key
SELECT key, COUNT(*) AS n
FROM images
GROUP BY key
HAVING COUNT(*) > 1;

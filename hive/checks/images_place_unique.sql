-- two images are at the same place of a bundle
SELECT bundle, offset, COUNT(*) AS n
FROM images
WHERE offset IS NOT NULL
GROUP BY bundle, offset
HAVING COUNT(*) > 1;

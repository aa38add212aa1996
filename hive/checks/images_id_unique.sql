-- images of a split share an image_id, so that the id alone does not tell them apart
-- severity: warn
SELECT split, image_id, COUNT(*) AS n
FROM images
GROUP BY split, image_id
HAVING COUNT(*) > 1;

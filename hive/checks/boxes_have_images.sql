-- a box is of an image that is not there, as when annotations cover more than the images
-- severity: warn
SELECT b.split, b.image_id, COUNT(*) AS n
FROM boxes b
LEFT JOIN (SELECT DISTINCT split, image_id FROM images) i
    ON b.split = i.split AND b.image_id = i.image_id
WHERE i.image_id IS NULL
GROUP BY b.split, b.image_id;

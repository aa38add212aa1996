-- a box is empty or reaches over the edge of the image that was annotated
-- severity: warn
SELECT image_id, split, box, xmin, ymin, xmax, ymax, image_width, image_height
FROM boxes
WHERE
    xmin < 0 OR ymin < 0 OR xmax <= xmin OR ymax <= ymin
    OR xmax > image_width OR ymax > image_height;

-- How many images of each split have no box, one box, two, ...
SELECT split, n_boxes, COUNT(*) AS n_images
FROM (
    SELECT i.split, i.key, COUNT(b.box) AS n_boxes
    FROM images i
    LEFT JOIN boxes b ON i.split = b.split AND i.image_id = b.image_id
    WHERE i.status = 'kept'
    GROUP BY i.split, i.key
) counted
GROUP BY split, n_boxes
ORDER BY split, n_boxes;

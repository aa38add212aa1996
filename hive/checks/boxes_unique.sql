-- an image has two boxes of the same number
SELECT split, image_id, box, COUNT(*) AS n
FROM boxes
GROUP BY split, image_id, box
HAVING COUNT(*) > 1;

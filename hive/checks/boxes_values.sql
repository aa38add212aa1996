-- a box lacks what every box has, or has a value that there is not
SELECT image_id, split, wnid, box, xmin, ymin, xmax, ymax, truncated, difficult, source
FROM boxes
WHERE
    image_id IS NULL OR split IS NULL OR wnid IS NULL OR box IS NULL OR source IS NULL
    OR xmin IS NULL OR ymin IS NULL OR xmax IS NULL OR ymax IS NULL
    OR split NOT IN ('train', 'val', 'test') OR box < 0
    OR truncated NOT IN (0, 1) OR difficult NOT IN (0, 1)
    OR source NOT IN ('xml', 'solution_csv');

-- Boxes of an image's own synset that cover more than half of the annotated area, the largest twenty
SELECT
    b.split,
    b.image_id,
    b.box,
    b.wnid,
    s.words,
    ROUND(
        1000 * (CAST(b.xmax AS BIGINT) - b.xmin) * (b.ymax - b.ymin)
        / (CAST(b.image_width AS BIGINT) * b.image_height)
    ) / 10 AS area_percent
FROM boxes b
JOIN images i ON b.split = i.split AND b.image_id = i.image_id AND b.wnid = i.wnid
LEFT JOIN synsets s ON b.wnid = s.wnid
WHERE
    2 * (CAST(b.xmax AS BIGINT) - b.xmin) * (b.ymax - b.ymin)
    > CAST(b.image_width AS BIGINT) * b.image_height
    AND i.status = 'kept'
ORDER BY area_percent DESC, b.split, b.image_id, b.box
LIMIT 20;

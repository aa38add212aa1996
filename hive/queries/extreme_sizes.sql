-- The five kept images with the fewest and the five with the most pixels
SELECT extreme, place, image_id, split, wnid, width, height, bytes
FROM (
    SELECT
        'smallest' AS extreme,
        ROW_NUMBER() OVER (ORDER BY CAST(width AS BIGINT) * height, bytes, key) AS place,
        image_id, split, wnid, width, height, bytes
    FROM images
    WHERE status = 'kept'
    UNION ALL
    SELECT
        'largest' AS extreme,
        ROW_NUMBER() OVER (ORDER BY CAST(width AS BIGINT) * height DESC, bytes DESC, key) AS place,
        image_id, split, wnid, width, height, bytes
    FROM images
    WHERE status = 'kept'
) ranked
WHERE place <= 5
ORDER BY extreme, place;

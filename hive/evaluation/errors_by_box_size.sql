-- Errors of a run on its labelled images by the area of the image's largest box, in percent of the image
SELECT
    boxed.split,
    bins.low,
    bins.high,
    COUNT(*) AS n_images,
    SUM(1 - boxed.top1) AS n_top1_errors,
    SUM(1 - boxed.topk) AS n_topk_errors
FROM (
    SELECT
        answered.split,
        answered.key,
        answered.top1,
        answered.topk,
        MAX(
            100.0 * (CAST(b.xmax AS BIGINT) - b.xmin) * (b.ymax - b.ymin)
            / (
                CAST(COALESCE(b.image_width, i.width) AS BIGINT)
                * COALESCE(b.image_height, i.height)
            )
        ) AS area_percent
    FROM (
        SELECT
            p.split,
            p.key,
            CONCAT('train', SUBSTR(p.key, LENGTH(p.split) + 1)) AS train_key,
            MAX(CASE WHEN p.rank = 1 AND p.predicted = p.wnid THEN 1 ELSE 0 END) AS top1,
            MAX(CASE WHEN p.predicted = p.wnid THEN 1 ELSE 0 END) AS topk
        FROM predictions p
        WHERE p.run_id = '${hivevar:run_id}' AND p.wnid <> 'unlabelled'
        GROUP BY p.split, p.key
    ) answered
    LEFT JOIN images own ON answered.key = own.key
    JOIN images i ON COALESCE(own.key, answered.train_key) = i.key
    JOIN boxes b ON i.split = b.split AND i.image_id = b.image_id
    GROUP BY answered.split, answered.key, answered.top1, answered.topk
) boxed
CROSS JOIN (
    SELECT 0 AS low, 10 AS high
    UNION ALL
    SELECT 10 AS low, 25 AS high
    UNION ALL
    SELECT 25 AS low, 50 AS high
    UNION ALL
    SELECT 50 AS low, 75 AS high
    UNION ALL
    SELECT 75 AS low, CAST(NULL AS INT) AS high
) bins
WHERE boxed.area_percent >= bins.low AND (boxed.area_percent < bins.high OR bins.high IS NULL)
GROUP BY boxed.split, bins.low, bins.high
ORDER BY boxed.split, bins.low;

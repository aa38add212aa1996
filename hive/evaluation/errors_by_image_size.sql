-- Errors of a run on its labelled images by the shorter side of the image, in pixels
SELECT
    sized.split,
    bins.low,
    bins.high,
    COUNT(*) AS n_images,
    SUM(1 - sized.top1) AS n_top1_errors,
    SUM(1 - sized.topk) AS n_topk_errors
FROM (
    SELECT
        answered.split,
        answered.top1,
        answered.topk,
        CASE WHEN i.width < i.height THEN i.width ELSE i.height END AS side
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
) sized
CROSS JOIN (
    SELECT 0 AS low, 100 AS high
    UNION ALL
    SELECT 100 AS low, 200 AS high
    UNION ALL
    SELECT 200 AS low, 300 AS high
    UNION ALL
    SELECT 300 AS low, 400 AS high
    UNION ALL
    SELECT 400 AS low, 500 AS high
    UNION ALL
    SELECT 500 AS low, CAST(NULL AS INT) AS high
) bins
WHERE sized.side >= bins.low AND (sized.side < bins.high OR bins.high IS NULL)
GROUP BY sized.split, bins.low, bins.high
ORDER BY sized.split, bins.low;

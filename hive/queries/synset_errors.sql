-- Top-1 and top-5 error of each run by synset on the validation images, the worst first
SELECT
    e.run_id,
    e.wnid,
    s.words,
    COUNT(*) AS n_images,
    ROUND(1000 * SUM(1 - e.top1) / COUNT(*)) / 10 AS top1_error_percent,
    ROUND(1000 * SUM(1 - e.top5) / COUNT(*)) / 10 AS top5_error_percent
FROM (
    SELECT
        run_id,
        key,
        wnid,
        MAX(CASE WHEN rank = 1 AND predicted = wnid THEN 1 ELSE 0 END) AS top1,
        MAX(CASE WHEN rank <= 5 AND predicted = wnid THEN 1 ELSE 0 END) AS top5
    FROM predictions
    WHERE split = 'val' AND wnid <> 'unlabelled'
    GROUP BY run_id, key, wnid
) e
LEFT JOIN synsets s ON e.wnid = s.wnid
GROUP BY e.run_id, e.wnid, s.words
ORDER BY e.run_id, top1_error_percent DESC, e.wnid;

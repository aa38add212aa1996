-- Images of each split and synset: all, kept, mean size in pixels and bytes
SELECT
    i.split,
    i.wnid,
    s.words,
    COUNT(*) AS n_images,
    SUM(CASE WHEN i.status = 'kept' THEN 1 ELSE 0 END) AS n_kept,
    ROUND(AVG(i.width)) AS mean_width_px,
    ROUND(AVG(i.height)) AS mean_height_px,
    ROUND(AVG(i.bytes)) AS mean_bytes
FROM images i
LEFT JOIN synsets s ON i.wnid = s.wnid
WHERE i.split <> 'quarantine'
GROUP BY i.split, i.wnid, s.words
ORDER BY i.split, i.wnid;

-- Images and bytes of each bundle, and how full it is beside the fullest one; places in HBase have no size
SELECT
    b.bundle,
    b.n_images,
    b.n_quarantined,
    b.bundle_bytes,
    b.bundle_bytes - b.image_bytes AS overhead_bytes,
    ROUND(1000 * b.bundle_bytes / f.fullest_bytes) / 10 AS fill_percent
FROM (
    SELECT
        bundle,
        COUNT(*) AS n_images,
        SUM(CASE WHEN status = 'quarantined' THEN 1 ELSE 0 END) AS n_quarantined,
        MAX(offset + length) AS bundle_bytes,
        SUM(bytes) AS image_bytes
    FROM images
    GROUP BY bundle
) b
CROSS JOIN (SELECT MAX(offset + length) AS fullest_bytes FROM images) f
ORDER BY b.bundle;

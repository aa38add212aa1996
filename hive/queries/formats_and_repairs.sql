-- Images by format, channels and the repairs that they need
SELECT
    format,
    channels,
    repairs,
    status,
    COUNT(*) AS n_images,
    SUM(bytes) AS bytes
FROM images
GROUP BY format, channels, repairs, status
ORDER BY format, channels, repairs, status;

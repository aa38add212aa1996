-- an image has a value that there is not
SELECT key, split, offset, length, bytes, sha256, channels, exif_orientation, status
FROM images
WHERE
    split NOT IN ('train', 'val', 'test', 'quarantine')
    OR status NOT IN ('kept', 'quarantined')
    OR offset < 0 OR length <= bytes OR bytes < 0 OR LENGTH(sha256) <> 64
    OR width < 0 OR height < 0 OR channels NOT BETWEEN 1 AND 5
    OR exif_orientation NOT BETWEEN 0 AND 65535;

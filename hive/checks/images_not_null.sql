-- an image lacks what every image has
SELECT key, bundle, offset, length, bytes, sha256, status
FROM images
WHERE
    image_id IS NULL OR wnid IS NULL OR split IS NULL OR key IS NULL OR bundle IS NULL
    OR bytes IS NULL OR sha256 IS NULL OR status IS NULL
    OR (bundle NOT LIKE '%.hbase' AND (offset IS NULL OR length IS NULL))
    OR (bundle LIKE '%.hbase' AND (offset IS NOT NULL OR length IS NOT NULL));

-- the key of an image does not begin with its split and wnid
SELECT key, split, wnid
FROM images
WHERE SUBSTR(key, 1, LENGTH(split) + LENGTH(wnid) + 2) <> CONCAT(split, '/', wnid, '/');

-- a prediction is for an image that is not there or not kept (a run may give it another split)
SELECT p.run_id, p.key
FROM predictions p
LEFT JOIN (
    SELECT DISTINCT SUBSTR(key, LENGTH(split) + 2) AS name FROM images WHERE status = 'kept'
) i ON SUBSTR(p.key, LENGTH(p.split) + 2) = i.name
WHERE i.name IS NULL AND p.rank = 1;

-- a duplicate lacks what every duplicate has, or has a value that there is not
SELECT key, group_key, kind, distance, split, wnid, problem
FROM duplicates
WHERE
    key IS NULL OR group_key IS NULL OR kind IS NULL OR split IS NULL OR wnid IS NULL
    OR kind NOT IN ('first', 'exact', 'near') OR distance < 0
    OR (kind = 'exact' AND distance <> 0) OR (kind = 'near' AND distance IS NULL)
    OR problem NOT IN ('leak', 'label_conflict', 'label_conflict,leak', 'leak,label_conflict');

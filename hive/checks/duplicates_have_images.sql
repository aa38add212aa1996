-- a duplicate is an image that is not there
SELECT d.key
FROM duplicates d
LEFT JOIN images i ON d.key = i.key
WHERE i.key IS NULL;

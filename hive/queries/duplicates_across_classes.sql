-- Groups of duplicates whose images have several synsets or lie on several sides of the division
SELECT
    group_key,
    COUNT(*) AS n_images,
    COUNT(DISTINCT wnid) AS n_synsets,
    COUNT(DISTINCT split) AS n_splits,
    MIN(wnid) AS first_wnid,
    MAX(wnid) AS last_wnid,
    MAX(distance) AS max_distance,
    MAX(problem) AS problem
FROM duplicates
GROUP BY group_key
HAVING COUNT(DISTINCT wnid) > 1 OR COUNT(DISTINCT split) > 1
ORDER BY n_images DESC, group_key;

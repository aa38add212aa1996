-- a prediction lacks what every prediction has, or has a value that there is not
SELECT run_id, key, split, wnid, rank, predicted, score
FROM predictions
WHERE
    image_id IS NULL OR key IS NULL OR wnid IS NULL OR rank IS NULL OR predicted IS NULL
    OR score IS NULL OR split IS NULL OR split NOT IN ('train', 'val', 'test') OR rank < 1;

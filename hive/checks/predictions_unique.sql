-- a run names two synsets for an image at the same rank, or the same one twice
SELECT run_id, key, COUNT(*) AS n
FROM predictions
GROUP BY run_id, key
HAVING COUNT(*) <> COUNT(DISTINCT rank) OR COUNT(*) <> COUNT(DISTINCT predicted);

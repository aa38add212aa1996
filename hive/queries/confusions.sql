-- What the validation images of each run were taken for, the twenty most frequent confusions
SELECT
    p.run_id,
    p.wnid,
    t.words,
    p.predicted,
    g.words AS predicted_words,
    COUNT(*) AS n_images
FROM predictions p
LEFT JOIN synsets t ON p.wnid = t.wnid
LEFT JOIN synsets g ON p.predicted = g.wnid
WHERE p.split = 'val' AND p.rank = 1 AND p.predicted <> p.wnid
GROUP BY p.run_id, p.wnid, t.words, p.predicted, g.words
ORDER BY n_images DESC, p.run_id, p.wnid, p.predicted
LIMIT 20;

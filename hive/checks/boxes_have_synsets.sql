-- a box has a synset that is not in synsets, although the data set has a mapping
-- severity: warn
SELECT b.wnid, COUNT(*) AS n
FROM boxes b
LEFT JOIN synsets s ON b.wnid = s.wnid
CROSS JOIN (SELECT COUNT(*) AS n_synsets FROM synsets) known
WHERE s.wnid IS NULL AND known.n_synsets > 0
GROUP BY b.wnid;

-- an image has a synset that is not in synsets, although the data set has a mapping
SELECT i.wnid, COUNT(*) AS n
FROM images i
LEFT JOIN synsets s ON i.wnid = s.wnid
CROSS JOIN (SELECT COUNT(*) AS n_synsets FROM synsets) known
WHERE s.wnid IS NULL AND known.n_synsets > 0 AND i.split <> 'quarantine' AND i.wnid <> 'unlabelled'
GROUP BY i.wnid;

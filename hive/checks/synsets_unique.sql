-- a synset is there twice
SELECT wnid, COUNT(*) AS n
FROM synsets
GROUP BY wnid
HAVING COUNT(*) > 1;

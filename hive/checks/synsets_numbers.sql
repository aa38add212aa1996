-- a synset lacks its wnid, words or class_index, or its class_index is not its place by wnid
SELECT wnid, class_index, place, words
FROM (
    SELECT wnid, class_index, words, ROW_NUMBER() OVER (ORDER BY wnid) - 1 AS place
    FROM synsets
) numbered
WHERE wnid IS NULL OR words IS NULL OR class_index IS NULL OR class_index <> place;

-- One row a synset that a relational database knows.
CREATE EXTERNAL TABLE synsets (
    wnid STRING COMMENT 'WordNet id such as n01440764, or the name of a class folder',
    ilsvrc_id INT COMMENT 'number in the ILSVRC devkit from 1; NULL where there is none',
    words STRING COMMENT 'words of WordNet for it; a line end in them became a space'
)
COMMENT 'Synsets as the relational database has them'
ROW FORMAT DELIMITED FIELDS TERMINATED BY '\t' ESCAPED BY '\\' NULL DEFINED AS '\002'
STORED AS TEXTFILE
LOCATION '${hivevar:location}/synsets';

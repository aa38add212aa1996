-- One row a synset that the data set knows, with its words and its two numberings.
CREATE EXTERNAL TABLE synsets (
    wnid STRING COMMENT 'WordNet id such as n01440764, or the name of a class folder; unique',
    class_index INT COMMENT 'place among the sorted wnids from 0: the label in models',
    ilsvrc_id INT COMMENT 'number in the ILSVRC devkit from 1, another order; NULL where there is no devkit',
    words STRING COMMENT 'words of WordNet for it'
)
COMMENT 'Synsets: the classes that images and boxes name'
ROW FORMAT DELIMITED FIELDS TERMINATED BY '\t'
STORED AS TEXTFILE
LOCATION '${hivevar:location}/synsets';

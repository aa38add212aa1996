-- One row an image: the label that a relational database has of it.
CREATE EXTERNAL TABLE labels (
    image_id STRING COMMENT 'the image: image_id of images',
    split STRING COMMENT 'train, val or test',
    wnid STRING COMMENT 'synset; NULL where it is not known'
)
COMMENT 'Labels as the relational database has them'
ROW FORMAT DELIMITED FIELDS TERMINATED BY '\t' ESCAPED BY '\\' NULL DEFINED AS '\002'
STORED AS TEXTFILE
LOCATION '${hivevar:location}/labels';

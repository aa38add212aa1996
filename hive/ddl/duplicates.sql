-- One row an image that has a duplicate, exact or near, as mr_jobs/mr_group_duplicates.py groups them.
CREATE EXTERNAL TABLE duplicates (
    key STRING COMMENT 'the image: its key in images',
    group_key STRING COMMENT 'key of the oldest image of the group',
    kind STRING COMMENT 'first for the oldest of the group, else exact or near',
    distance INT COMMENT 'bits in which the perceptual signature differs from its match; 0 for exact',
    split STRING COMMENT 'split of the image',
    wnid STRING COMMENT 'synset of the image',
    problem STRING COMMENT 'leak: a train image in a group with an official val or test image; label_conflict: a group of several synsets; both with a comma; NULL for none'
)
COMMENT 'Images in groups of two or more that show the same'
ROW FORMAT DELIMITED FIELDS TERMINATED BY '\t'
STORED AS TEXTFILE
LOCATION '${hivevar:location}/duplicates';

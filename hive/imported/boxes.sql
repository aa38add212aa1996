-- One row a bounding box that a relational database has.
CREATE EXTERNAL TABLE boxes (
    image_id STRING COMMENT 'the annotated image: image_id of images',
    box INT COMMENT 'number of the box within the image: 0, 1, ...',
    wnid STRING COMMENT 'synset of what is in the box, which may differ from that of the image',
    xmin INT COMMENT 'left edge, in pixels',
    ymin INT COMMENT 'upper edge, in pixels',
    xmax INT COMMENT 'right edge, in pixels',
    ymax INT COMMENT 'lower edge, in pixels'
)
COMMENT 'Bounding boxes as the relational database has them'
ROW FORMAT DELIMITED FIELDS TERMINATED BY '\t' ESCAPED BY '\\' NULL DEFINED AS '\002'
STORED AS TEXTFILE
LOCATION '${hivevar:location}/boxes';

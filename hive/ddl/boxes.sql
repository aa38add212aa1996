-- One row a bounding box of the annotations: PASCAL VOC XML files, or the rows of a solution CSV.
-- The loader fills it from the files of directory `tsv`, whose columns are `tsv.columns`.
CREATE TABLE boxes (
    image_id STRING COMMENT 'the annotated image: with split, a row of images',
    wnid STRING COMMENT 'synset of what is in the box, which may differ from that of the image',
    box INT COMMENT 'number of the box within the image: 0, 1, ...',
    xmin INT COMMENT 'left edge, in pixels of the size in image_width and image_height',
    ymin INT COMMENT 'upper edge, in pixels of the size in image_width and image_height',
    xmax INT COMMENT 'right edge, in pixels of the size in image_width and image_height',
    ymax INT COMMENT 'lower edge, in pixels of the size in image_width and image_height',
    image_width INT COMMENT 'width of the image that was annotated, in pixels; NULL where the source does not say',
    image_height INT COMMENT 'height of the image that was annotated, in pixels; NULL where the source does not say',
    truncated INT COMMENT '1 if the object goes on outside the box, else 0; NULL where the source does not say',
    difficult INT COMMENT '1 if the annotator called it difficult, else 0; NULL where the source does not say',
    source STRING COMMENT 'xml or solution_csv'
)
COMMENT 'Bounding boxes of the annotations'
PARTITIONED BY (split STRING COMMENT 'of the image: train, val or test')
STORED AS PARQUET
TBLPROPERTIES (
    'tsv' = 'boxes',
    'tsv.columns' = 'image_id split wnid box xmin ymin xmax ymax image_width image_height truncated difficult source'
);

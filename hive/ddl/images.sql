-- One row an image of the bundles, or of HBase, kept or quarantined, as mr_jobs/mr_catalog_images.py saw it.
-- The loader fills it from the files of directory `tsv`, whose columns are `tsv.columns`.
CREATE TABLE images (
    image_id STRING COMMENT 'file name without its extension, e.g. n01440764_10026',
    wnid STRING COMMENT 'synset or class folder; unlabelled in a test split without labels; the reason where split is quarantine',
    key STRING COMMENT 'key of the record in the bundle: split/wnid/file name; unique',
    bundle STRING COMMENT 'file name of the SequenceFile below bundles/; of a row of HBase <ingest>-<salt>.hbase',
    offset BIGINT COMMENT 'where the record begins in the bundle, in bytes; NULL in HBase',
    length BIGINT COMMENT 'length of the whole record in the bundle, in bytes; NULL in HBase',
    bytes BIGINT COMMENT 'length of the encoded image, in bytes',
    sha256 STRING COMMENT 'hash of the encoded image, 64 hexadecimal digits',
    width INT COMMENT 'pixels, as the header says, before the EXIF orientation is applied',
    height INT COMMENT 'pixels, as the header says, before the EXIF orientation is applied',
    channels INT COMMENT 'colour channels of the encoded image: 1 grey, 3 RGB, 4 CMYK or with alpha',
    format STRING COMMENT 'by its content, whatever the file name says: jpeg, png, ...',
    exif_orientation INT COMMENT '1 to 8 as in EXIF; NULL where the image does not say',
    repairs STRING COMMENT 'kinds of repair that decoding needs, sorted, separated by commas; NULL for none',
    signature STRING COMMENT 'perceptual signature, hexadecimal; NULL for what does not decode',
    status STRING COMMENT 'kept or quarantined',
    reason STRING COMMENT 'why it is quarantined, a snake_case word; NULL for kept'
)
COMMENT 'Images: where each one is, what it is, and what is wrong with it'
PARTITIONED BY (split STRING COMMENT 'train, val or test as the data set divides them; quarantine for images of no use before they were read')
STORED AS PARQUET
TBLPROPERTIES (
    'tsv' = 'catalog',
    'tsv.columns' = 'image_id wnid split key bundle offset length bytes sha256 width height channels format exif_orientation repairs signature status reason'
);

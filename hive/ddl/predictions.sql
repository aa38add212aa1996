-- One row an image and rank: what the model of a run took the image for, best first.
-- The loader fills it from the files of directory `tsv`, whose columns are `tsv.columns`.
CREATE TABLE predictions (
    image_id STRING COMMENT 'file name of the image without its extension',
    key STRING COMMENT 'the image: its key in images, except that the split is the one of the run',
    wnid STRING COMMENT 'the true synset; unlabelled where it is not known',
    rank INT COMMENT '1 for the synset with the highest score, 2 for the next, ...',
    predicted STRING COMMENT 'the synset that the model names at this rank',
    score DOUBLE COMMENT 'score of that synset: a probability or a decision value, by the model'
)
COMMENT 'What the models of saved runs took the images of val and test for'
PARTITIONED BY (
    run_id STRING COMMENT 'the run whose model it is, as in models/saved',
    split STRING COMMENT 'val or test, as the run divided the images'
)
STORED AS PARQUET
TBLPROPERTIES (
    'tsv' = 'predictions',
    'tsv.columns' = 'image_id split key wnid rank predicted score'
);

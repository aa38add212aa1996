-- One row a member of the raw data that was never taken as an image or annotation.
CREATE EXTERNAL TABLE refused (
    source STRING COMMENT 'the raw tar or folder',
    member STRING COMMENT 'name of the member or file in it',
    reason STRING COMMENT 'why it was not taken, a short word'
)
COMMENT 'Raw members that were not taken as images or annotations'
ROW FORMAT DELIMITED FIELDS TERMINATED BY '\t'
STORED AS TEXTFILE
LOCATION '${hivevar:location}/refused';

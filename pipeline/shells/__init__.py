"""The shells of `bin/pipeline shell`, each preset to a cluster.

console     a prompt with history and completion, or the lines of a pipe
hdfs        commands on files of HDFS, over WebHDFS; hdfs_files asks, hdfs_words reads a line
hive        HiveQL statements over several lines; statements divides them
hbase       HBase's own shell
python      Python with the helpers of pipeline/lab_helpers.py; spark: and a Spark session
"""

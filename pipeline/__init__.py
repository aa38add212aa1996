"""The driver side: the command line, the steps, the cluster and HDFS."""

"""PySpark on YARN: the same SequenceFiles in HDFS, one core an executor, output as Parquet.

python benchmarks/peers/pyspark_yarn.py EXECUTORS MEMORY_MB INPUT OUTPUT
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pyspark
from pyspark.sql import SparkSession

from benchmarks.peers.workload import vector_of


def vectors(records: Iterator[tuple[bytearray, bytearray]]) -> Iterator[tuple[str, bytearray]]:
    """Compute the vectors of a partition's records."""
    for key, encoded in records:
        yield key.decode(), bytearray(vector_of(bytes(encoded)).tobytes())


if __name__ == "__main__":
    n_executors, memory_mb, bundles, output = sys.argv[1:]
    os.environ["PYSPARK_PYTHON"] = sys.executable
    spark = (
        SparkSession.builder.master("yarn")
        .config("spark.yarn.jars", f"local:{Path(pyspark.__file__).parent}/jars/*")  # no upload
        .config("spark.executor.instances", n_executors)
        .config("spark.executor.memory", f"{int(memory_mb) // 2}m")
        .config("spark.executor.memoryOverhead", f"{int(memory_mb) // 2}m")  # Python's
        .config("spark.executorEnv.PYTHONPATH", os.environ["PYTHONPATH"])
        .config("spark.executorEnv.OMP_NUM_THREADS", "1")
        .config("spark.ui.enabled", False)
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .getOrCreate()
    )
    records = spark.sparkContext.sequenceFile(bundles)
    rows = records.mapPartitions(vectors).toDF("name string, vector binary")
    rows.write.parquet(output)
    spark.stop()

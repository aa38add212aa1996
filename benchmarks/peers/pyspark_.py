"""PySpark: files by `binaryFile`, vectors by a pandas function, output as Parquet.

python benchmarks/peers/pyspark_.py IMAGES OUTPUT
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pandas as pd  # type: ignore[import-untyped]
from pyspark.sql import SparkSession

from benchmarks.peers.workload import vector_of


def vectors(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    """Compute the vectors of batches of files."""
    for batch in batches:
        yield pd.DataFrame(
            {
                "name": batch["path"].str.rpartition("/")[2],
                "vector": [vector_of(content).tobytes() for content in batch["content"]],
            }
        )


if __name__ == "__main__":
    images, output = sys.argv[1:]
    os.environ["PYSPARK_PYTHON"] = sys.executable
    spark = (
        SparkSession.builder.master("local[*]")
        .config("spark.ui.enabled", False)
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.sql.files.openCostInBytes", 256 << 10)  # fewer tasks, of more files
        .config("spark.sql.execution.arrow.maxRecordsPerBatch", 256)  # of 110 kB each
        .getOrCreate()
    )
    files = spark.read.format("binaryFile").load(images).select("path", "content")
    files.mapInPandas(vectors, "name string, vector binary").write.parquet(output)
    spark.stop()

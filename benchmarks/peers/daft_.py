"""Daft: files, vectors by a batch function in processes, output as Parquet.

python benchmarks/peers/daft_.py IMAGES OUTPUT
"""

from __future__ import annotations

import sys

import daft  # type: ignore[import-not-found]
from daft import DataType, Series, col

from benchmarks.peers.workload import vector_of


@daft.func.batch(return_dtype=DataType.binary(), batch_size=32)  # type: ignore[untyped-decorator]
def vectors(contents: Series) -> list[bytes]:
    """Compute the vectors of a batch of files."""
    return [vector_of(content).tobytes() for content in contents.to_pylist()]


if __name__ == "__main__":
    images, output = sys.argv[1:]
    files = daft.from_glob_path(f"{images}/*")
    files.select(
        col("path").alias("name"), vectors(col("path").download()).alias("vector")
    ).write_parquet(output)

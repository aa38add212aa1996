"""Ray Data: files, vectors by batches, output as Parquet.

python benchmarks/peers/ray_data.py IMAGES OUTPUT
"""

from __future__ import annotations

import sys
import tempfile
from typing import Any

import numpy as np
import ray  # type: ignore[import-not-found]

from benchmarks.peers.workload import vector_of


def vectors(batch: dict[str, Any]) -> dict[str, Any]:
    """Compute the vectors of a batch of files."""
    return {
        "name": [path.rpartition("/")[2] for path in batch["path"]],
        "vector": np.stack([vector_of(content) for content in batch["bytes"]]),
    }


if __name__ == "__main__":
    images, output = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        ray.init(
            include_dashboard=False,
            _node_ip_address="127.0.0.1",
            _temp_dir=folder,
            log_to_driver=False,
        )
        files = ray.data.read_binary_files(images, include_paths=True)
        files.map_batches(vectors, batch_size=64).write_parquet(output)
        ray.shutdown()

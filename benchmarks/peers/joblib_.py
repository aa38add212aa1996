"""joblib: the bare loop on every core.

python benchmarks/peers/joblib_.py IMAGES OUTPUT
"""

import sys
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray

from benchmarks.peers.workload import vector_of


def vector_of_file(path: Path) -> NDArray[np.float32]:
    """Compute the vector of a file."""
    return vector_of(path.read_bytes())


if __name__ == "__main__":
    images, output = map(Path, sys.argv[1:])
    paths = sorted(images.iterdir())
    vectors = Parallel(n_jobs=-1)(delayed(vector_of_file)(path) for path in paths)
    output.mkdir()
    np.savez(output / "vectors.npz", name=[path.name for path in paths], vector=np.stack(vectors))

"""The bare loop: one process, image by image.

python benchmarks/peers/bare.py IMAGES OUTPUT
"""

import sys
from pathlib import Path

import numpy as np

from benchmarks.peers.workload import vector_of

images, output = map(Path, sys.argv[1:])
paths = sorted(images.iterdir())
vectors = [vector_of(path.read_bytes()) for path in paths]
output.mkdir()
np.savez(output / "vectors.npz", name=[path.name for path in paths], vector=np.stack(vectors))

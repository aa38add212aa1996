"""scikit-image: its own decode, resize, HOG and colours, on every core.

python benchmarks/peers/scikit_image.py IMAGES OUTPUT
"""

from __future__ import annotations

import os
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from skimage.color import gray2rgb, rgb2gray, rgb2hsv  # type: ignore[import-not-found]
from skimage.feature import hog  # type: ignore[import-not-found]
from skimage.io import imread  # type: ignore[import-not-found]
from skimage.transform import resize  # type: ignore[import-not-found]


def vector_of_file(path: Path) -> NDArray[np.float32]:
    """Compute a vector of the same geometry; its values are those of other definitions."""
    image = imread(path)
    image = resize(image if image.ndim == 3 else gray2rgb(image), (128, 128), anti_aliasing=True)
    shape = hog(rgb2gray(image), orientations=9, pixels_per_cell=(16, 16), cells_per_block=(2, 2))
    counts, _ = np.histogramdd(rgb2hsv(image).reshape(-1, 3), (8, 4, 4), [(0, 1)] * 3)
    return np.concatenate([shape, np.sqrt(counts.ravel() / counts.sum())]).astype(np.float32)


if __name__ == "__main__":
    images, output = map(Path, sys.argv[1:])
    paths = sorted(images.iterdir())
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        vectors = list(pool.map(vector_of_file, paths, chunksize=16))
    output.mkdir()
    np.savez(output / "vectors.npz", name=[path.name for path in paths], vector=np.stack(vectors))

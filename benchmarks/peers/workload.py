"""What every peer computes of an image: a full decode, 128 × 128 pixels, HOG, HSV histogram.

Needs NumPy and OpenCV only, as the peers' own environment has them.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

IMAGE_PX = 128
N_HOG = 1764
N_FEATURES = N_HOG + 128
BINS, RANGES = [8, 4, 4], [0, 180, 0, 256, 0, 256]
HOG = cv2.HOGDescriptor(
    _winSize=(IMAGE_PX, IMAGE_PX),
    _blockSize=(32, 32),
    _blockStride=(16, 16),
    _cellSize=(16, 16),
    _nbins=9,
    _gammaCorrection=True,
)

cv2.setNumThreads(1)  # one for each worker


def vector_of(encoded: bytes) -> NDArray[np.float32]:
    """Compute the feature vector of an encoded image: float32 of shape (N_FEATURES,)."""
    image: Any = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR)
    image = cv2.resize(image, (IMAGE_PX, IMAGE_PX), interpolation=cv2.INTER_AREA)
    hog: Any = HOG.compute(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY))
    hsv = cv2.cvtColor(image, cv2.COLOR_BGR2HSV)
    counts = cv2.calcHist([hsv], [0, 1, 2], None, BINS, RANGES)
    return np.concatenate([hog.ravel(), np.sqrt(counts.ravel() / np.float32(IMAGE_PX**2))])

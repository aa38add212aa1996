"""Models of the images at hand, and the same images as a matrix."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.dataset import Pair, index_classes
from models.settings import ModelSettings
from models.train import Fit, fit


def train(pairs: list[Pair], parts: Any = None, **settings: Any) -> Fit:
    classes = index_classes(key.wnid for key, _ in pairs)
    return fit(lambda: iter(pairs), classes, ModelSettings(**settings), parts)


def matrix(pairs: list[Pair]) -> tuple[NDArray[np.float64], NDArray[np.str_]]:
    return (
        np.stack([vector for _, vector in pairs]).astype(np.float64),
        np.array([key.wnid for key, _ in pairs]),
    )

"""Small made data sets: clusters around one random centre for each synset."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from models.dataset import Pair
from mr_jobs.lib.imagenet import ImageKey

MakePairs = Callable[..., list[Pair]]


@pytest.fixture
def make_pairs() -> MakePairs:
    def make(
        n_images: int,
        n_features: int,
        n_classes: int = 3,
        *,
        split: str = "train",
        seed: int = 0,
        spread: float = 1.0,
    ) -> list[Pair]:
        centres = np.random.default_rng(7).normal(size=(n_classes, n_features))
        random = np.random.default_rng(seed)
        share = 1.0 / np.arange(1, n_classes + 1)  # classes of different sizes
        some = random.choice(n_classes, max(0, n_images - 2 * n_classes), p=share / share.sum())
        y = np.concatenate([np.arange(n_classes), np.arange(n_classes), some])[:n_images]
        noise: NDArray[np.float64] = spread * random.normal(size=(n_images, n_features))
        vectors = (0.3 + 0.1 * (centres[y] + noise)).astype(np.float32)
        return [
            (ImageKey(split, f"n{label:08}", f"{split}_{row:06}.JPEG"), vectors[row])
            for row, label in enumerate(y.tolist())
        ]

    return make

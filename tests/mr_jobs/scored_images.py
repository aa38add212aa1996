"""Images with their vectors, in the records of shards, and a model that knows most of them."""

from __future__ import annotations

import numpy as np
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from mr_jobs.lib.imagenet import ImageKey
from mr_jobs.lib.records import encode_vector, place

WNIDS = ["n01", "n02", "n03", "n04"]
Images = list[tuple[str, np.ndarray]]
CENTRES = np.random.default_rng(3).normal(size=(5, 6))


def images_of(split: str, n: int, wnids: list[str], seed: int = 0) -> Images:
    """Make images around one centre for each synset, near enough to be confused."""
    random = np.random.default_rng(seed)
    return [
        (
            f"{split}/{wnids[i % len(wnids)]}/{split}_{i:05}.JPEG",
            (CENTRES[i % len(wnids)] + 1.2 * random.normal(size=6)).astype(np.float32),
        )
        for i in range(n)
    ]


def records(images: Images, tag: str = "0a1b2c3d") -> list[tuple[str, bytes]]:
    """Make the records of a shard."""
    return sorted(
        (
            f"{key.partition('/')[0]}\t{int(place(key, 0) * (1 << 56)):014x}\t{key}\t{tag}",
            encode_vector(vector),
        )
        for key, vector in images
    )


IMAGES = [
    *images_of("val", 601, [*WNIDS, "n09"], seed=2),  # the model has never seen n09
    *images_of("test", 33, ["unlabelled"], seed=3),
    *images_of("train", 40, WNIDS, seed=4),
]


def small_model() -> Pipeline:
    """Fit a model to other images of the same kind."""
    train = images_of("train", 400, WNIDS, seed=1)
    X = np.stack([vector for _, vector in train]).astype(np.float64)
    y = [ImageKey.parse(key).wnid for key, _ in train]
    return make_pipeline(StandardScaler(), LinearDiscriminantAnalysis()).fit(X, y)

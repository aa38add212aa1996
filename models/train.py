"""Train a classifier on a stream of vectors; the result is a plain scikit-learn pipeline.

Memory does not grow with the number of images: LDA and ridge need one pass of sums, or two to
choose the shrinkage; SGD passes over the stream once for the scale and once for each epoch. One
thread computes, so that the same images in the same order give the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import SGDClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from models.dataset import NO_CLASS, Block, Pairs, blocks
from models.linear import Problem, dress
from models.moments import Moments
from models.scores import best_classes
from models.settings import ModelSettings
from mr_jobs.lib.errors import DataError
from mr_jobs.lib.records import place

SHRINKAGES = (0.02, 0.1, 0.3, 0.6, 0.8, 0.9)
SMALL_SHRINKAGE = 0.3  # less never won with fewer than two images for each feature
FEW_IMAGES = 150  # below, the held-out sixth says nothing …
FEW_SHRINKAGE = 0.9  # … and few images want much shrinkage
_HELD_OUT_FRACTION = 1 / 6
_HELD_OUT_SEED = -1  # no user splits by it, so the held-out images are like the others


@dataclass(frozen=True)
class Fit:
    """A fitted model.

    `estimator` predicts wnids; `hyper_parameters` says how it was made, as plain JSON values;
    `warnings` are sentences for the user.
    """

    estimator: Pipeline
    n_images: int
    n_features: int
    hyper_parameters: dict[str, Any]
    warnings: list[str] = field(default_factory=list)


def fit(
    train: Pairs,
    class_index: Mapping[str, int],
    settings: ModelSettings,
    *,
    seed: int = 0,
    on_images: Callable[[int], None] = lambda n: None,
) -> Fit:
    """Train the classifier that `settings` ask for.

    Parameters
    ----------
    train : gives the training images anew with each call, always in the same order.
    class_index : of every synset among them, see `dataset.index_classes`.
    seed : of the order of images within a block; only SGD uses it.
    on_images : told the number of images in each block read, for a display of progress.

    Raises
    ------
    DataError
        No images, a damaged vector, or an image of a synset outside `class_index`.
    ConfigError
        A shrinkage too small for this many images.
    """
    stream = _Stream(train, class_index, on_images)
    classes = np.array(sorted(class_index, key=class_index.__getitem__))
    with threadpool_limits(limits=1):
        if settings.kind == "sgd":
            return _fit_sgd(stream, classes, settings, seed)
        return _fit_sums(stream, classes, settings)


class _Stream:
    """Passes over the training images, in blocks."""

    def __init__(
        self, train: Pairs, class_index: Mapping[str, int], on_images: Callable[[int], None]
    ) -> None:
        self._train = train
        self._class_index = class_index
        self._on_images = on_images

    def blocks(self, held_out: bool | None = None) -> Iterator[Block]:
        """Yield all images; or only those held out, about a sixth; or only the others."""
        pairs = (
            pair
            for pair in self._train()
            if held_out is None
            or held_out == (place(str(pair[0]), _HELD_OUT_SEED) < _HELD_OUT_FRACTION)
        )
        for block in blocks(pairs, self._class_index):
            if (block.y == NO_CLASS).any():
                stray = block.keys[int(np.argmin(block.y))]
                raise DataError(f"the training image {stray} is of none of the model's synsets")
            yield block
            self._on_images(len(block.y))


def _fit_sums(stream: _Stream, classes: NDArray[np.str_], settings: ModelSettings) -> Fit:
    moments = Moments(len(classes))
    warnings: list[str] = []
    choice: list[dict[str, float]] = []
    if isinstance(settings.shrinkage, str):
        shrinkage, choice = _choose_shrinkage(stream, moments, settings)
        if not choice:
            warnings.append(
                f"{moments.n} training images are too few to choose a shrinkage on; "
                f"{shrinkage} was taken"
            )
    else:
        shrinkage = settings.shrinkage
        for block in stream.blocks():
            moments.add(block.X, block.y)
    _refuse_no_images(moments.n)
    weights = Problem(settings.kind, moments).solve(shrinkage)
    estimator = dress(settings.kind, shrinkage, weights, moments, classes)
    made = {"kind": settings.kind, "shrinkage": shrinkage, "shrinkage_choice": choice}
    if settings.kind == "ridge":
        made["alpha"] = float(estimator[-1].alpha)
    return Fit(estimator, moments.n, moments.n_features, made, warnings)


def _choose_shrinkage(
    stream: _Stream, moments: Moments, settings: ModelSettings
) -> tuple[float, list[dict[str, float]]]:
    """Fill `moments` with all images, and choose the shrinkage on the way.

    Sums over five sixths of the images give one model for each candidate; the second pass counts
    their errors on the last sixth, and adds it to the sums. The fewest top-1 and top-k errors
    together win, of equals the larger shrinkage.

    Returns
    -------
    The shrinkage, and the errors of each candidate (none when there were too few images).
    """
    for block in stream.blocks(held_out=False):
        moments.add(block.X, block.y)
    if moments.n < FEW_IMAGES:
        for block in stream.blocks(held_out=True):
            moments.add(block.X, block.y)
        return FEW_SHRINKAGE, []
    mean, scale = moments.mean(), moments.scale()  # before the held-out images are added
    problem = Problem(settings.kind, moments)
    few = moments.n < 2 * moments.n_features
    shrinkages = [s for s in SHRINKAGES if s >= SMALL_SHRINKAGE or not few]
    candidates = [problem.try_out(shrinkage) for shrinkage in shrinkages]
    errors = np.zeros((len(shrinkages), 2), np.int64)
    n_held_out = 0
    for block in stream.blocks(held_out=True):
        scaled = (block.X - mean) / scale
        for row, (coef, intercept) in enumerate(candidates):
            hits = best_classes(scaled @ coef.T + intercept, settings.top_k) == block.y[:, None]
            errors[row] += len(hits) - np.array([hits[:, 0].sum(), hits.sum()])
        n_held_out += len(block.y)
        moments.add(block.X, block.y)
    best = len(shrinkages) - 1 - int(np.argmin(errors.sum(axis=1)[::-1]))
    fractions = errors / max(n_held_out, 1)
    choice = [
        {"shrinkage": shrinkage, "top1_error": top1, "topk_error": topk}
        for shrinkage, (top1, topk) in zip(shrinkages, fractions.tolist(), strict=True)
    ]
    return shrinkages[best], choice


def _fit_sgd(stream: _Stream, classes: NDArray[np.str_], settings: ModelSettings, seed: int) -> Fit:
    scaler = StandardScaler()
    n_images = 0
    for block in stream.blocks():
        scaler.partial_fit(block.X)
        n_images += len(block.y)
    _refuse_no_images(n_images)
    random = np.random.default_rng(seed)
    classifier = SGDClassifier(
        loss="log_loss", alpha=settings.sgd_alpha, average=True, shuffle=False, random_state=seed
    )
    for _ in range(settings.sgd_epochs):
        for block in stream.blocks():
            order = random.permutation(len(block.y))
            vectors = scaler.transform(block.X[order])
            classifier.partial_fit(vectors, classes[block.y[order]], classes=classes)
    made = {"kind": "sgd", "alpha": settings.sgd_alpha, "epochs": settings.sgd_epochs, "seed": seed}
    estimator = Pipeline([("scale", scaler), ("classify", classifier)])
    return Fit(estimator, n_images, int(scaler.n_features_in_), made)


def _refuse_no_images(n_images: int) -> None:
    if not n_images:
        raise DataError("the training split holds no image; see what the split step counted")

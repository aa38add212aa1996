"""Train a classifier from sums over the images; the result is a plain scikit-learn pipeline.

Neither memory nor this process's time grows with the number of images: passes over them, jobs or
not (`models.passes`), return sums. LDA and ridge take one pass, and one to choose among models; SGD
one for the scale, and two for each epoch. One thread computes, so that the same sums give the same
bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from models.dataset import Pairs
from models.linear import Problem, dress
from models.passes import InMemory, Passes
from models.selection import (
    Candidate,
    Choice,
    Parts,
    choose,
    list_candidates,
    numbers_of,
    shrinkages_for,
    solve_candidates,
)
from models.settings import LEDOIT_WOLF, ModelSettings
from models.sgd import descend
from mr_jobs.lib.errors import DataError
from mr_jobs.lib.moments import Moments
from mr_jobs.lib.trials import Centres
from mr_jobs.one_thread import one_thread
from mr_jobs.vectors_job import HELD_OUT, INNER

FEW_IMAGES = 150  # below, the held-out sixth says nothing …
FEW_SHRINKAGE = 0.9  # … and few images want much shrinkage
_NAMED = 5  # features or synsets that a sentence names


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
    parts: Parts | None = None,
) -> Fit:
    """Train on images that are at hand in this process, see `fit_passes`.

    Parameters
    ----------
    train : gives the training images anew with each call, always in the same order.
    class_index : of every synset among them, see `dataset.index_classes`.
    settings : what to train.
    parts : where each feature is in a vector; the whole vector is one by default.
    """
    if sorted(class_index.values()) != list(range(len(class_index))):
        raise DataError("the labels of the synsets are not the numbers from 0, each once")
    classes = sorted(class_index, key=class_index.__getitem__)
    return fit_passes(InMemory(train, class_index), classes, settings, parts)


def fit_passes(
    passes: Passes,
    classes: list[str],
    settings: ModelSettings,
    parts: Parts | None = None,
) -> Fit:
    """Train the classifier that `settings` ask for.

    Parameters
    ----------
    passes : over the training images.
    classes : the wnids, in the order of class_index.
    settings : what to train.
    parts : where each feature is in a vector; the whole vector is one by default.

    Raises
    ------
    DataError
        No images, a synset without any, a damaged vector, or an image of another synset.
    ConfigError
        A shrinkage too small for this many images.
    """
    with one_thread():
        sums = _sums_of(passes.moments(diagonal=settings.kind == "sgd"))
        _require_images_of_all(sums.every, classes)
        parts = parts or {"all": slice(0, sums.every.n_features)}
        warnings = _constant_features(sums.every, parts)
        if settings.kind == "sgd":
            made = _fit_sgd(passes, sums, np.array(classes), settings)
        else:
            made = _fit_sums(passes, sums, np.array(classes), settings, parts)
    made.warnings[:0] = warnings
    return made


class _Sums(NamedTuple):
    """Moments of all images, and of the inner part, if there are images enough to choose by."""

    every: Moments
    inner: Moments | None


def _sums_of(found: dict[str, Moments]) -> _Sums:
    if not found:
        raise DataError("the training split holds no image; see what the split step counted")
    if len(found) == 1:
        return _Sums(next(iter(found.values())), None)
    every, inner = found.pop(HELD_OUT), found[INNER]
    every += inner  # in place: two matrices in memory instead of three
    return _Sums(every, inner if inner.n >= FEW_IMAGES else None)


def _fit_sums(
    passes: Passes,
    sums: _Sums,
    classes: NDArray[np.str_],
    settings: ModelSettings,
    parts: Parts,
) -> Fit:
    if settings.shrinkage == LEDOIT_WOLF:
        grid = [_ledoit_wolf(passes, sums.every)]
    elif isinstance(settings.shrinkage, str):
        grid = shrinkages_for(sums.inner.n, sums.every.n_features) if sums.inner else []
    else:
        grid = [float(settings.shrinkage)]
    warnings: list[str] = []
    if sums.inner is not None:
        choice, warnings = _choose(passes, sums.inner, settings, parts, grid)
    else:
        choice = Choice(Candidate(tuple(parts), grid[0] if grid else FEW_SHRINKAGE))
    if not grid:
        warnings = [
            f"{sums.every.n} training images are too few to choose a shrinkage on; "
            f"{FEW_SHRINKAGE} was taken"
        ]
    return _finish(settings.kind, sums.every, classes, choice, parts, warnings)


def _choose(
    passes: Passes, inner: Moments, settings: ModelSettings, parts: Parts, grid: list[float]
) -> tuple[Choice, list[str]]:
    candidates, warnings = list_candidates(
        parts, grid, len(inner.counts), subsets=settings.select_features
    )
    if settings.kind == "ridge" and len(candidates) == 1:  # without a temperature
        return Choice(candidates[0]), warnings
    arrays = solve_candidates(settings.kind, inner, candidates, parts)
    return choose(candidates, passes.try_out(arrays, settings.top_k)), warnings


def _finish(  # what a model is made from
    kind: str,
    moments: Moments,
    classes: NDArray[np.str_],
    choice: Choice,
    parts: Parts,
    warnings: list[str],
) -> Fit:
    """Make the model of all images with what was chosen."""
    features, shrinkage = choice.candidate
    weights = Problem(kind, moments, numbers_of(features, parts)).solve(shrinkage)
    made: dict[str, Any] = {"kind": kind, "shrinkage": shrinkage, "features": list(features)}
    if kind == "ridge":
        made["alpha"] = moments.n * shrinkage / (1.0 - shrinkage)
        parameters = {"alpha": made["alpha"]}
    else:
        made["temperature"] = choice.temperature
        parameters = {"solver": "lsqr", "shrinkage": shrinkage}
        weights = weights._replace(
            coef=weights.coef / choice.temperature, intercept=weights.intercept / choice.temperature
        )
    made["selection"] = choice.selection or None
    estimator = dress(kind, weights, moments, classes, parameters)
    return Fit(estimator, moments.n, moments.n_features, made, warnings)


def _fit_sgd(
    passes: Passes, sums: _Sums, classes: NDArray[np.str_], settings: ModelSettings
) -> Fit:
    moments = sums.every
    weights, epochs = descend(passes, moments, settings, choosing=sums.inner is not None)
    parameters = {"loss": settings.sgd_loss, "alpha": settings.sgd_alpha}
    estimator = dress("sgd", weights, moments, classes, parameters)
    made = {"kind": "sgd", **parameters, "epochs_tried": epochs, "selection": None}
    return Fit(estimator, moments.n, moments.n_features, made)


def _ledoit_wolf(passes: Passes, moments: Moments) -> float:
    centres = Centres(moments.mean(), moments.scale(), moments.class_means())
    fourth_powers = passes.fourth_powers(centres)
    return Problem("lda", moments).ledoit_wolf(fourth_powers, moments.n)


def _require_images_of_all(moments: Moments, classes: list[str]) -> None:
    without = [wnid for wnid, n in zip(classes, moments.counts, strict=True) if not n]
    if without:
        raise DataError(
            f"no training image of {', '.join(without[:_NAMED])} ({len(without)} of "
            f"{len(classes)} synsets); add some, or leave the synsets out"
        )


def _constant_features(moments: Moments, parts: Parts) -> list[str]:
    """Warn of values that are the same in every image; the model gives them the weight 0."""
    constant = moments.constant()
    told = []
    for name, part in parts.items():
        numbers = np.flatnonzero(constant[part]).tolist()
        if numbers:
            more = ", …" if len(numbers) > _NAMED else ""
            told.append(f"{name}[{', '.join(map(str, numbers[:_NAMED]))}{more}] ({len(numbers)})")
    if not told:
        return []
    return [
        f"{int(constant.sum())} of {constant.size} values are the same in all training images and "
        f"have the weight 0: {', '.join(told)}"
    ]

"""Say which parts of an image spoke for a class, under a linear model.

The decision value of a class is a sum over the values of the standardised vector; so is what one
class is ahead of another by. Each value's share of that is spread over the part of the image that
the value describes; what describes the whole image is told apart.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import RidgeClassifier, SGDClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from models.predict import Served
from mr_jobs.lib.errors import ConfigError
from mr_jobs.lib.features.base import Vector
from mr_jobs.lib.scores import class_scores, gives_probabilities
from mr_jobs.one_thread import one_thread

CELLS = 24  # a side
_LINEAR = (LinearDiscriminantAnalysis, RidgeClassifier, SGDClassifier)
_WHOLE = (0.0, 0.0, 1.0, 1.0)
Matrix = NDArray[np.float64]


class Share(NamedTuple):
    """What a feature adds: by values that describe a part of the image, and by the others."""

    feature: str
    in_cells: float
    whole_image: float

    @property
    def total(self) -> float:
        """Both."""
        return self.in_cells + self.whole_image


class Explanation(NamedTuple):
    """By how much a class is ahead of another, and what that is the sum of.

    `ahead` is the difference of the decision values, and the sum of `intercept` and the totals of
    `shares`; it is negative where the other class is ahead. `cells`, float64 of shape (24, 24), row
    by row, has the sum of all shares' `in_cells`. Zero is what the mean training image has.
    """

    wnid: str
    other: str
    ahead: float
    intercept: float
    shares: list[Share]
    cells: Matrix


def explain(served: Served, vector: Vector, wnid: str | None = None) -> Explanation:
    """Explain the decision for an image.

    Parameters
    ----------
    served : the model.
    vector : of the image, see `Served.vector`.
    wnid : the class to compare with the best other one; by default the best of all.

    Raises
    ------
    ConfigError
        The model has no such class, or is none that this can explain.
    """
    estimator = served.estimator
    _require_linear(estimator)
    wnids = [str(each) for each in estimator.classes_]
    if wnid is not None and wnid not in wnids:
        more = ", …" if len(wnids) > 10 else ""
        raise ConfigError(
            f"{wnid!r} is not among the {len(wnids)} classes of this model: "
            f"{', '.join(wnids[:10])}{more}"
        )
    with one_thread():
        scores = class_scores(estimator, vector[np.newaxis])[0]
    chosen = int(scores.argmax()) if wnid is None else wnids.index(wnid)
    other = int(np.where(np.arange(scores.size) == chosen, -np.inf, scores).argmax())
    coef, intercept = class_weights(estimator)
    standardised = np.asarray(estimator[:-1].transform(vector[np.newaxis])[0], np.float64)
    added = (coef[chosen] - coef[other]) * standardised
    regions = served.spec.regions().astype(np.float64)
    whole = (regions == _WHOLE).all(axis=1)
    shares = [
        Share(
            name,
            float(added[part][~whole[part]].sum()),
            float(added[part][whole[part]].sum()),
        )
        for name, part in served.spec.parts().items()
    ]
    return Explanation(
        wnids[chosen],
        wnids[other],
        float(scores[chosen] - scores[other]),
        float(intercept[chosen] - intercept[other]),
        shares,
        spread(added[~whole], regions[~whole], CELLS),
    )


def class_weights(estimator: Pipeline) -> tuple[Matrix, Matrix]:
    """Return what `scores.class_scores` multiplies and adds, also for two classes.

    Returns
    -------
    Coefficients of the standardised values, (n_classes, n_features), and intercepts, (n_classes,).
    """
    coef = np.atleast_2d(np.asarray(estimator[-1].coef_, np.float64))  # a ridge of two has a row
    intercept = np.atleast_1d(np.asarray(estimator[-1].intercept_, np.float64))
    if len(coef) > 1:
        return coef, intercept
    first = 0.0 if gives_probabilities(estimator) else -1.0
    return np.concatenate([first * coef, coef]), np.concatenate([first * intercept, intercept])


def spread(values: Matrix, regions: Matrix, n_cells: int) -> Matrix:
    """Spread each value evenly over its region, and add up what falls into each cell.

    Parameters
    ----------
    values : float64 of shape (n,).
    regions : float64 of shape (n, 4): top, left, bottom and right, as shares of the side.
    n_cells : a side.

    Returns
    -------
    float64 array of shape (n_cells, n_cells), whose sum is that of the values.
    """
    cells = np.zeros((n_cells, n_cells))
    if not len(values):
        return cells
    places, which = np.unique(regions, axis=0, return_inverse=True)
    sums = np.bincount(which.ravel(), weights=values, minlength=len(places))
    rows = _overlaps(places[:, 0], places[:, 2], n_cells)
    columns = _overlaps(places[:, 1], places[:, 3], n_cells)
    return np.asarray((rows * sums[:, np.newaxis]).T @ columns, np.float64)


def _overlaps(low: Matrix, high: Matrix, n_cells: int) -> Matrix:
    """Return which share of each interval falls into each cell: (n, n_cells), in all 1 a row."""
    edges = np.arange(n_cells + 1) / n_cells
    ends = np.minimum(high[:, np.newaxis], edges[1:])
    lengths = np.maximum(ends - np.maximum(low[:, np.newaxis], edges[:-1]), 0.0)
    return np.asarray(lengths / lengths.sum(axis=1, keepdims=True), np.float64)


def _require_linear(estimator: Any) -> None:  # noqa: ANN401
    steps = [step for _, step in estimator.steps]
    if isinstance(steps[-1], _LINEAR) and all(isinstance(s, StandardScaler) for s in steps[:-1]):
        return
    names = ", ".join(type(step).__name__ for step in steps)
    raise ConfigError(
        f"this model cannot be explained: it is made of {names}, and `explain` knows "
        "StandardScaler with LDA, ridge or SGD"
    )

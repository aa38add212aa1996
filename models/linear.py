"""Solve LDA and ridge from moments, and dress a solution as scikit-learn's own estimators.

Written so that the result equals scikit-learn's fit on the standardised matrix (see
`sklearn/discriminant_analysis.py` and `sklearn/linear_model/_ridge.py`):
`LinearDiscriminantAnalysis(solver="lsqr", shrinkage=s)` averages the shrunk covariances of the
classes, weighted by their sizes, which is the shrunk pooled covariance; and ridge with shrinkage s
is `RidgeClassifier(alpha=n * s / (1 - s))`, one class against the others with targets 1 and -1.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh, solve
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import RidgeClassifier, SGDClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from mr_jobs.lib import packed
from mr_jobs.lib.errors import ConfigError
from mr_jobs.lib.moments import Moments

Matrix = NDArray[np.float64]
FEW = 0.25  # images for each value, below which the matrices' low rank saves most of the work
_SMALL_SHRINKAGE = 0.01  # below it, single precision is not enough


class Weights(NamedTuple):
    """A linear model of standardised vectors, with a row for each class, also for two classes.

    `coef` is float64 of shape (n_classes, n_features), `intercept` of shape (n_classes,).
    """

    coef: Matrix
    intercept: Matrix


class Problem:
    """The system of equations of one kind of model, to be solved for several shrinkages.

    It is solved for vectors as they are: ((1 - s) C + s t D²) X = D B, for the diagonal matrix D of
    the features' scales, and has the solution A = D X of the standardised system. Constant features
    are left out and get the coefficient 0.

    Parameters
    ----------
    kind : lda or ridge.
    moments : of the training images; what is needed is copied.
    features : numbers of the features to use, ascending; all by default. The others' coefficients
        are 0.
    """

    def __init__(
        self, kind: str, moments: Moments, features: NDArray[np.int64] | None = None
    ) -> None:
        features = np.arange(moments.n_features) if features is None else features
        self._kept = features[~moments.constant()[features]]
        self._n_used = max(len(features), 1)
        self._n_features = moments.n_features
        every, moments = moments, moments.select(self._kept)
        own = moments is not every  # its products are a copy, which need not be kept
        self._kind = kind
        self._scale = moments.scale()
        self._means = moments.class_means()
        # A class of none of these images counts as half an image at the mean of all.
        self._prior = np.maximum(moments.counts, 0.5) / moments.n
        self._share = moments.counts / moments.n
        self._freedom = moments.n - np.count_nonzero(moments.counts)
        if kind == "lda":
            self._matrix = moments.within(overwrite=own)
            self._target = float(self._variances().sum()) / self._n_used
            self._right = self._means.T
        else:
            self._matrix = moments.total(overwrite=own)
            self._target = 1.0
            self._right = 2.0 * (self._means.T * self._share)
        few = moments.n < len(self._kept) * FEW
        self._factor = packed.low_rank(self._matrix, self._scale, moments.n) if few else None
        self._gram = np.zeros((0, 0)) if self._factor is None else self._factor @ self._factor.T

    def try_out(self, shrinkage: float) -> Weights:
        """Solve like `solve`, in single precision: enough to compare, in half the time."""
        return self._solve(shrinkage, np.float32 if shrinkage >= _SMALL_SHRINKAGE else np.float64)

    def solve(self, shrinkage: float) -> Weights:
        """Return the model.

        Raises
        ------
        ConfigError
            The shrinkage is too small for this many images.
        """
        return self._solve(shrinkage, np.float64)

    def path(self, shrinkages: Iterable[float]) -> Iterator[Weights]:
        """Yield the models of many shrinkages above 0, for one eigendecomposition of all together.

        It costs as much as twenty to thirty solutions, and memory for two whole matrices.
        """
        square = packed.to_square(self._matrix) / self._scale / self._scale[:, np.newaxis]
        variances, directions = eigh(square, overwrite_a=True, check_finite=False)
        right = directions.T @ self._right
        for shrinkage in shrinkages:
            shrunk = (1.0 - shrinkage) * variances + shrinkage * self._target
            yield self._weights(shrinkage, directions @ (right / shrunk[:, np.newaxis]))

    def ledoit_wolf(self, fourth_powers: float, n: int) -> float:
        """Estimate the shrinkage that brings the pooled covariance nearest to the true one.

        Parameters
        ----------
        fourth_powers : the sum of the fourth powers of the norms of the standardised residuals
            about the class means, see `trials.Centres`.
        n : how many residuals there are.

        Returns
        -------
        What `sklearn.covariance.ledoit_wolf_shrinkage(residuals, assume_centered=True)` does.
        Source: O. Ledoit and M. Wolf, A well-conditioned estimator for large-dimensional
        covariance matrices, Journal of Multivariate Analysis 88 (2004).
        """
        norm = packed.norm_squared(self._matrix, self._scale)
        distance = norm / self._n_used - self._target**2
        noise = (fourth_powers / n - norm) / (self._n_used * n)
        return min(noise, distance) / distance if distance > 0 and noise > 0 else 0.0

    def _variances(self) -> Matrix:
        """Return the diagonal of the standardised matrix."""
        return np.asarray(self._matrix[packed.diagonal(len(self._kept))] / self._scale**2)

    def _solve(self, shrinkage: float, dtype: type[np.floating[Any]]) -> Weights:
        if not len(self._kept):
            return self._weights(shrinkage, self._right)
        if shrinkage == 0 and self._freedom < len(self._kept):
            raise _too_small(shrinkage)
        if self._factor is not None:
            return self._weights(shrinkage, self._solve_few(shrinkage, self._factor))
        system = self._matrix.astype(dtype)
        system *= dtype(1.0 - shrinkage)
        system[packed.diagonal(len(self._kept))] += shrinkage * self._target * self._scale**2
        try:
            solution = packed.solve(system, self._scale[:, np.newaxis] * self._right)
        except ConfigError as error:
            raise _too_small(shrinkage) from error
        return self._weights(shrinkage, solution.astype(np.float64) * self._scale[:, np.newaxis])

    def _solve_few(self, shrinkage: float, factor: Matrix) -> Matrix:
        """Solve for images much fewer than values, in a system as large as there are images.

        Source: the identity of M. Woodbury, Inverting modified matrices (1950).
        """
        ridge = shrinkage * self._target
        system = (1.0 - shrinkage) * self._gram
        system.flat[:: len(system) + 1] += ridge
        inner = solve(system, factor @ self._right, assume_a="pos", check_finite=False)
        return np.asarray((self._right - (1.0 - shrinkage) * (factor.T @ inner)) / ridge)

    def _weights(self, shrinkage: float, solution: Matrix) -> Weights:
        coef = np.zeros((len(self._share), self._n_features))
        if self._kind == "ridge":
            coef[:, self._kept] = (1.0 - shrinkage) * solution.T
            return Weights(coef, 2.0 * self._share - 1.0)
        coef[:, self._kept] = solution.T
        intercept = np.log(self._prior) - 0.5 * np.einsum("ji,ij->i", solution, self._means)
        return Weights(coef, intercept)


def _too_small(shrinkage: float) -> ConfigError:
    return ConfigError(
        f"pipeline.toml: [model] shrinkage = {shrinkage} is too small for this many images: the "
        "covariance matrix is singular; raise it"
    )


def dress(
    kind: str,
    weights: Weights,
    moments: Moments,
    classes: NDArray[np.str_],
    parameters: dict[str, Any],
) -> Pipeline:
    """Make a fitted pipeline of StandardScaler and the kind's classifier.

    Parameters
    ----------
    weights : the model.
    moments : of all training images.
    classes : wnids in the order of class_index; they become `classes_`.
    parameters : of the kind's classifier in scikit-learn.
    """
    coef, intercept = weights
    classifier = _KINDS[kind](**parameters)
    # A fit on two made samples of each class lets scikit-learn keep its own books (classes_ and
    # what is private); all that depends on the samples is then replaced.
    made, labels = np.arange(2.0 * len(classes))[:, np.newaxis], np.repeat(classes, 2)
    if kind == "sgd":
        classifier.partial_fit(made, labels, classes=classes)
    else:
        classifier.fit(made, labels)
    if kind == "lda":
        del classifier.covariance_  # n_features × n_features, of use to nobody
        classifier.priors_ = moments.counts / moments.n
        classifier.means_ = moments.class_means()
    if len(classes) == 2:  # scikit-learn keeps one row: for LDA the difference
        first = 1.0 if kind == "lda" else 0.0
        coef, intercept = coef[1:] - first * coef[:1], intercept[1:] - first * intercept[:1]
    classifier.coef_ = np.ascontiguousarray(coef)
    classifier.intercept_ = intercept
    classifier.n_features_in_ = moments.n_features
    return Pipeline([("scale", _scaler(moments)), ("classify", classifier)])


_KINDS = {"lda": LinearDiscriminantAnalysis, "ridge": RidgeClassifier, "sgd": SGDClassifier}


def _scaler(moments: Moments) -> StandardScaler:
    scaler = StandardScaler()
    scaler.mean_ = moments.mean()
    scaler.var_ = moments.variance()
    scaler.scale_ = moments.scale()
    scaler.n_samples_seen_ = np.int64(moments.n)
    scaler.n_features_in_ = moments.n_features
    return scaler

"""Solve LDA and ridge from moments, and dress the solution as scikit-learn's own estimators.

Written so that the result equals scikit-learn's fit on the standardised matrix (see
`sklearn/discriminant_analysis.py` and `sklearn/linear_model/_ridge.py`):
`LinearDiscriminantAnalysis(solver="lsqr", shrinkage=s)` averages the shrunk covariances of the
classes, weighted by their sizes, which is the shrunk pooled covariance; and ridge with shrinkage s
is `RidgeClassifier(alpha=n * s / (1 - s))`, one class against the others with targets 1 and -1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import RidgeClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from models.moments import Matrix, Moments, shrink_and_solve

Weights = tuple[Matrix, Matrix]  # (n_classes, n_features) and (n_classes,), of standardised vectors


class Problem:
    """The system of equations of one kind of model, to be solved for several shrinkages.

    Parameters
    ----------
    kind : lda or ridge.
    moments : of the training images; what is needed is copied.
    """

    def __init__(self, kind: str, moments: Moments) -> None:
        self._kind = kind
        self._share = moments.counts / moments.n
        self._means = moments.class_means()
        if kind == "lda":
            self._covariance = moments.within_covariance()
            self._target = float(np.trace(self._covariance)) / moments.n_features
            self._right = self._means.T
        else:
            self._covariance = moments.total_covariance()
            self._target = 1.0
            self._right = 2.0 * (self._means.T * self._share)

    def try_out(self, shrinkage: float) -> Weights:
        """Solve like `solve`, in single precision: enough to compare, in half the time."""
        return self._solve(shrinkage, self._right.astype(np.float32), overwrite=False)

    def solve(self, shrinkage: float) -> Weights:
        """Return coefficients and intercepts for all classes; the problem is used up.

        Raises
        ------
        ConfigError
            The shrinkage is too small for this many images.
        """
        return self._solve(shrinkage, self._right, overwrite=True)

    def _solve(
        self, shrinkage: float, right: NDArray[np.floating[Any]], *, overwrite: bool
    ) -> Weights:
        coef = shrink_and_solve(
            self._covariance, shrinkage, self._target, right, overwrite=overwrite
        ).T
        if self._kind == "ridge":
            return (1.0 - shrinkage) * coef, 2.0 * self._share - 1.0
        with np.errstate(divide="ignore"):  # a class without images is never predicted
            prior = np.log(self._share)
        return coef, prior - 0.5 * np.einsum("ij,ij->i", coef, self._means)


def dress(
    kind: str, shrinkage: float, weights: Weights, moments: Moments, classes: NDArray[np.str_]
) -> Pipeline:
    """Make a fitted pipeline of StandardScaler and the kind's classifier.

    Parameters
    ----------
    weights : of `Problem.solve`.
    classes : wnids in the order of class_index; they become `classes_`.
    """
    coef, intercept = weights
    if kind == "lda":
        classifier = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage)
        if len(classes) == 2:  # scikit-learn keeps the difference only
            coef, intercept = coef[1:] - coef[:1], intercept[1:] - intercept[:1]
    else:
        alpha = moments.n * shrinkage / (1.0 - shrinkage)
        classifier = RidgeClassifier(alpha=alpha)
        if len(classes) == 2:
            coef, intercept = coef[1:], intercept[1:]
    # A fit on two made samples of each class lets scikit-learn keep its own books (classes_ and
    # what is private); all that depends on the samples is then replaced.
    classifier.fit(np.arange(2.0 * len(classes))[:, np.newaxis], np.repeat(classes, 2))
    if kind == "lda":
        del classifier.covariance_  # n_features × n_features, of use to nobody
        classifier.priors_ = moments.counts / moments.n
        classifier.means_ = moments.class_means()
    classifier.coef_ = np.ascontiguousarray(coef)
    classifier.intercept_ = intercept
    classifier.n_features_in_ = moments.n_features
    return Pipeline([("scale", _scaler(moments)), ("classify", classifier)])


def _scaler(moments: Moments) -> StandardScaler:
    scaler = StandardScaler()
    scaler.mean_ = moments.mean()
    scaler.var_ = moments.variance()
    scaler.scale_ = moments.scale()
    scaler.n_samples_seen_ = np.int64(moments.n)
    scaler.n_features_in_ = moments.n_features
    return scaler

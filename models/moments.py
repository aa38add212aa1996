"""Sums over a stream of vectors from which scaling, LDA and ridge are computed exactly.

They take memory for a matrix of n_features × n_features, whatever the number of images, and one
pass. The vectors are shifted by the first block's mean, so that nothing cancels in the sums.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, blas, cho_factor, cho_solve

from mr_jobs.lib.errors import ConfigError

Matrix = NDArray[np.float64]


class Moments:
    """Counts, sums for each class, and the sum of outer products of the vectors seen so far.

    Parameters
    ----------
    n_classes : class_index runs from 0 to n_classes - 1.

    Attributes
    ----------
    counts : int64 array of shape (n_classes,), images of each class.
    n_features : length of a vector; 0 before the first block.
    """

    def __init__(self, n_classes: int) -> None:
        self.counts = np.zeros(n_classes, np.int64)
        self.n_features = 0
        self._pivot = np.zeros(0)
        self._sums = np.zeros((n_classes, 0))
        self._gram = np.zeros((0, 0), order="F")  # lower triangle; dsyrk adds to it in place

    @property
    def n(self) -> int:
        """The number of images."""
        return int(self.counts.sum())

    def add(self, vectors: NDArray[np.float32], y: NDArray[np.int64]) -> None:
        """Add float32 vectors of shape (n, n_features) of the classes `y`, int64 of shape (n,)."""
        if not len(vectors):
            return
        if not self.n_features:
            self._start(vectors)
        shifted = vectors - self._pivot
        order = np.argsort(y, kind="stable")
        present, starts = np.unique(y[order], return_index=True)
        self._sums[present] += np.add.reduceat(shifted[order], starts, axis=0)
        self.counts += np.bincount(y, minlength=len(self.counts))
        self._gram = blas.dsyrk(
            1.0, shifted.T, beta=1.0, c=self._gram, lower=True, overwrite_c=True
        )

    def _start(self, vectors: NDArray[np.float32]) -> None:
        self.n_features = vectors.shape[1]
        # Rounded to float32, so that a constant feature is shifted to exactly zero.
        self._pivot = vectors.mean(axis=0, dtype=np.float64).astype(np.float32).astype(np.float64)
        self._sums = np.zeros((len(self.counts), self.n_features))
        self._gram = np.zeros((self.n_features, self.n_features), order="F")

    def mean(self) -> Matrix:
        """Return the mean of all vectors, float64 of shape (n_features,)."""
        return self._pivot + self._shifted_mean()

    def variance(self) -> Matrix:
        """Return the population variance of each feature, float64 of shape (n_features,)."""
        spread = np.diagonal(self._gram) / self.n - self._shifted_mean() ** 2
        return np.maximum(spread, 0.0)

    def scale(self) -> Matrix:
        """Return each feature's standard deviation, or 1 where it is constant.

        What counts as constant is scikit-learn's rule for StandardScaler.
        """
        variance = self.variance()
        eps = np.finfo(np.float64).eps
        noise = self.n * eps * variance + (self.n * self.mean() * eps) ** 2
        return np.where(variance <= noise, 1.0, np.sqrt(variance))

    def class_means(self) -> Matrix:
        """Return the mean standardised vector of each class, of shape (n_classes, n_features).

        A class without images has the mean of all: zero.
        """
        counts = np.maximum(self.counts, 1)[:, np.newaxis]
        means = (self._sums / counts - self._shifted_mean()) / self.scale()
        means[self.counts == 0] = 0.0
        return means

    def _shifted_mean(self) -> Matrix:
        return np.asarray(self._sums.sum(axis=0) / self.n)

    def total_covariance(self) -> Matrix:
        """Return the covariance of the standardised vectors: lower triangle, Fortran order."""
        return self._covariance(self._shifted_mean()[np.newaxis])

    def within_covariance(self) -> Matrix:
        """Return the pooled covariance within the classes, divided by n: lower triangle."""
        roots = np.sqrt(self.counts / self.n)[:, np.newaxis]
        return self._covariance(self._sums / np.maximum(self.counts, 1)[:, np.newaxis] * roots)

    def _covariance(self, centres: Matrix) -> Matrix:
        covariance = self._gram / self.n
        covariance = blas.dsyrk(
            -1.0, centres.T, beta=1.0, c=covariance, lower=True, overwrite_c=True
        )
        scale = self.scale()
        covariance /= scale
        covariance /= scale[:, np.newaxis]
        return np.asarray(covariance)


def shrink_and_solve(
    covariance: Matrix,
    shrinkage: float,
    target: float,
    right: NDArray[np.floating[Any]],
    *,
    overwrite: bool = False,
) -> Matrix:
    """Solve ((1 - s) C + s t I) A = B by Cholesky's method.

    Parameters
    ----------
    covariance : C, lower triangle in Fortran order, float64 of shape (d, d).
    shrinkage : s, from 0 to 1.
    target : t, the variance that all directions are shrunk towards.
    right : B, of shape (d, k). Its type is computed in: float32 takes half the time and memory,
        float64 is exact to rounding.
    overwrite : whether C may be destroyed, which saves its copy.

    Raises
    ------
    ConfigError
        The matrix is singular, which happens when s is 0 and there are fewer images than features.
    """
    system = covariance.astype(right.dtype, order="F", copy=not overwrite)
    system *= right.dtype.type(1.0 - shrinkage)
    diagonal = np.einsum("ii->i", system)
    diagonal += right.dtype.type(shrinkage * target)
    try:
        factor = cho_factor(system, lower=True, overwrite_a=True, check_finite=False)
    except LinAlgError as error:
        raise ConfigError(
            f"pipeline.toml: [model] shrinkage = {shrinkage} is too small for this many images: "
            "the covariance matrix is singular; raise it"
        ) from error
    return np.asarray(cho_solve(factor, right, check_finite=False), np.float64)

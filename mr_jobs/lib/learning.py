"""The sums by which codebooks are learned: moments, rounds of k-means, expectation steps.

What is added is rounded to multiples of powers of two first, so that the sums of up to some 10^8
descriptors are exact in float64: a codebook does not depend on the order and number of the tasks.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mr_jobs.lib.features.base import Codebook, LearnedFeature, project
from mr_jobs.lib.fisher import Mixture, responsibilities
from mr_jobs.lib.patches import squared_distances

Sums = dict[str, NDArray[np.float64]]
_RAW_GRID = 4096  # descriptors
_POINT_GRID = 256  # whitened descriptors, whose deviations are about 1
_SHARE_GRID = 4096  # responsibilities, costs and likelihoods


class Round(Protocol):
    """The sums of one round over the descriptors of one feature."""

    def add(self, descriptors: NDArray[np.float32]) -> None:
        """Add float32 descriptors of shape (n, descriptor_length)."""

    def totals(self) -> Sums:
        """Return the sums so far."""


def round_of(feature: LearnedFeature, codebook: Codebook | None) -> Round:
    """Return what has to be summed next for a feature, as its codebook so far says."""
    if codebook is None:
        return DescriptorMoments(feature.descriptor_length())
    return KMeansRound(codebook) if feature.LEARNER == "kmeans" else MixtureRound(codebook)


class DescriptorMoments:
    """n, Σx and Σxxᵀ of the descriptors, from which mean and whitening follow."""

    def __init__(self, length: int) -> None:
        self._n = 0
        self._sum = np.zeros(length)
        self._products = np.zeros((length, length))

    def add(self, descriptors: NDArray[np.float32]) -> None:
        """Add descriptors."""
        rows = on_grid(descriptors)
        self._n += len(rows)
        self._sum += rows.sum(axis=0)
        self._products += rows.T @ rows

    def totals(self) -> Sums:
        """Return `n` of shape (1,), `sum` (d,) and `products` (d, d)."""
        return {"n": np.array([float(self._n)]), "sum": self._sum, "products": self._products}


class KMeansRound:
    """What Lloyd's algorithm needs of the points nearest to each centroid: counts and sums.

    Source: S. Lloyd, Least squares quantization in PCM, IEEE Trans. Information Theory 28, 1982.
    """

    def __init__(self, codebook: Codebook) -> None:
        self._codebook = codebook
        n_centroids, length = codebook["centroids"].shape
        self._counts = np.zeros(n_centroids)
        self._sums = np.zeros((n_centroids, length))
        self._cost = 0.0

    def add(self, descriptors: NDArray[np.float32]) -> None:
        """Add descriptors."""
        points = project(descriptors, self._codebook)
        distances = squared_distances(points, self._codebook["centroids"])
        nearest = distances.argmin(axis=1)
        self._counts += np.bincount(nearest, minlength=len(self._counts))
        order = np.argsort(nearest, kind="stable")
        present, starts = np.unique(nearest[order], return_index=True)
        rows = _rounded(points, _POINT_GRID)
        self._sums[present] += np.add.reduceat(rows[order], starts, axis=0)
        self._cost += _rounded(distances.min(axis=1), _SHARE_GRID).sum()

    def totals(self) -> Sums:
        """Return `counts` of shape (k,), `sums` (k, d) and `cost` (1,), the squared distances."""
        return {"counts": self._counts, "sums": self._sums, "cost": np.array([self._cost])}


class MixtureRound:
    """What the maximisation step needs: Σγ, Σγx and Σγx² for each Gaussian.

    Source: A. Dempster, N. Laird and D. Rubin, Maximum likelihood from incomplete data via the EM
    algorithm, Journal of the Royal Statistical Society B 39, 1977.
    """

    def __init__(self, codebook: Codebook) -> None:
        self._codebook = codebook
        self._mixture = Mixture(codebook["weights"], codebook["means"], codebook["variances"])
        shape = codebook["means"].shape
        self._n = 0
        self._mass = np.zeros(shape[0])
        self._first = np.zeros(shape)
        self._second = np.zeros(shape)
        self._log_likelihood = 0.0

    def add(self, descriptors: NDArray[np.float32]) -> None:
        """Add descriptors."""
        points = project(descriptors, self._codebook)
        shares, log_likelihoods = responsibilities(points, self._mixture)
        rows, weights = _rounded(points, _POINT_GRID), _rounded(shares, _SHARE_GRID)
        self._n += len(rows)
        self._mass += weights.sum(axis=0)
        self._first += weights.T @ rows
        self._second += weights.T @ (rows * rows)
        self._log_likelihood += _rounded(log_likelihoods, _SHARE_GRID).sum()

    def totals(self) -> Sums:
        """Return `n` (1,), `mass` (k,), `first` and `second` (k, d), `log_likelihood` (1,)."""
        return {
            "n": np.array([float(self._n)]),
            "mass": self._mass,
            "first": self._first,
            "second": self._second,
            "log_likelihood": np.array([self._log_likelihood]),
        }


def on_grid(descriptors: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return descriptors as their moments take them: rounded to multiples of 1 / 4096."""
    return _rounded(descriptors, _RAW_GRID)


def _rounded(values: NDArray[np.float32], grid: int) -> NDArray[np.float64]:
    return np.rint(values.astype(np.float64) * grid) / grid

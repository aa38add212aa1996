"""Sums over vectors from which scaling, PCA, LDA and ridge are computed exactly.

They take memory for the half of a matrix of n_features × n_features, whatever the number of
vectors; those of two sets of vectors add up to those of both. Where the vectors and the pivot are
on a grid, as the pipeline's are (multiples of 2⁻¹²), float64 holds the sums exactly, and the order
of the additions does not change a bit of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

from mr_jobs.lib import packed
from mr_jobs.lib.errors import DataError

Vector = NDArray[np.float64]
_EPS = float(np.finfo(np.float64).eps)
_ROUNDINGS = 64  # of the sums, in units of the last place


class Moments:
    """Counts, sums for each class, and the sum of outer products of vectors.

    Parameters
    ----------
    counts : float64 of shape (n_classes,), vectors of each class.
    sums : float64 of shape (n_classes, n_features), of the vectors minus the pivot.
    products : float64, the sum of the outer products of the vectors minus the pivot, in the layout
        of `mr_jobs.lib.packed`; or of shape (n_features,), their squares alone (`diagonal`).
    pivot : float64 of shape (n_features,), a number near each feature's mean, so that nothing
        cancels; zero by default.
    """

    def __init__(
        self, counts: Vector, sums: Vector, products: Vector, pivot: Vector | None = None
    ) -> None:
        self.counts = counts
        self.sums = sums
        self.products = products
        self.pivot = np.zeros(sums.shape[1]) if pivot is None else pivot

    @classmethod
    def empty(
        cls, n_classes: int, n_features: int, pivot: Vector | None = None, *, diagonal: bool = False
    ) -> Moments:
        """Return the sums over no vector."""
        products = np.zeros(n_features) if diagonal else packed.zeros(n_features)
        return cls(np.zeros(n_classes), np.zeros((n_classes, n_features)), products, pivot)

    @classmethod
    def from_sums(
        cls, sums: Mapping[str, Vector], prefix: str, pivot: Vector | None = None
    ) -> Moments:
        """Read what `to_sums` wrote.

        Raises
        ------
        DataError
            The arrays' lengths do not fit each other.
        """
        counts, flat, products = (sums[f"{prefix}/{name}"] for name in _NAMES)
        n_features = flat.size // max(counts.size, 1)
        fits = products.size in (n_features, n_features * (n_features + 1) // 2)
        if flat.size != counts.size * n_features or not fits:
            raise DataError("the sums of the vectors do not fit each other; run the job again")
        return cls(counts, flat.reshape(counts.size, n_features), products, pivot)

    def to_sums(self, prefix: str) -> Iterator[tuple[str, Vector]]:
        """Yield the arrays that add up, with their names."""
        for name, array in zip(_NAMES, (self.counts, self.sums, self.products), strict=True):
            yield f"{prefix}/{name}", array

    @property
    def n(self) -> int:
        """The number of vectors."""
        return int(self.counts.sum())

    @property
    def n_features(self) -> int:
        """The length of a vector."""
        return int(self.sums.shape[1])

    @property
    def diagonal(self) -> bool:
        """Whether only squares were summed."""
        return self.products.size == self.n_features and self.n_features > 1

    def add(self, vectors: NDArray[np.floating[Any]], y: NDArray[np.int64]) -> None:
        """Add vectors of shape (n, n_features) of the classes `y`, int64 of shape (n,).

        Raises
        ------
        DataError
            A label is not from 0 to n_classes - 1.
        """
        if not len(y):
            return
        if y.min() < 0 or y.max() >= len(self.counts):
            raise DataError(
                f"the labels {y.min()} to {y.max()} are not from 0 to {len(self.counts) - 1}"
            )
        shifted = np.subtract(vectors, self.pivot, dtype=np.float64)
        order = np.argsort(y, kind="stable")
        present, starts = np.unique(y[order], return_index=True)
        self.sums[present] += np.add.reduceat(shifted[order], starts, axis=0)
        self.counts += np.bincount(y, minlength=len(self.counts))
        if self.diagonal:
            self.products += np.einsum("ij,ij->j", shifted, shifted)
        else:
            packed.add_products(self.products, shifted)

    def __add__(self, other: Moments) -> Moments:
        mine = (self.counts.copy(), self.sums.copy(), self.products.copy())
        total = Moments(*mine, self.pivot)
        total += other
        return total

    def __iadd__(self, other: Moments) -> Moments:
        if (self.pivot != other.pivot).any():
            raise ValueError("moments about different pivots do not add up")
        self.counts += other.counts
        self.sums += other.sums
        self.products += other.products
        return self

    def select(self, kept: NDArray[np.int64]) -> Moments:
        """Return the moments of some features alone; `kept` is ascending, of their numbers."""
        if len(kept) == self.n_features:
            return self
        products = self.products[kept] if self.diagonal else packed.select(self.products, kept)
        sums = np.ascontiguousarray(self.sums[:, kept])
        return Moments(self.counts, sums, products, self.pivot[kept])

    def mean(self) -> Vector:
        """Return the mean of all vectors, float64 of shape (n_features,)."""
        return self.pivot + self._shifted_mean()

    def variance(self) -> Vector:
        """Return the population variance of each feature, float64; 0 where it is constant."""
        variance = self._squares() / self.n - self._shifted_mean() ** 2
        return np.where(self.constant(), 0.0, variance)

    def constant(self) -> NDArray[np.bool_]:
        """Say which features have one value in all vectors, or vary less than rounding does.

        The first rule is that of scikit-learn's StandardScaler, the second is for the sums' own
        rounding, where a feature is far from the pivot.
        """
        second = self._squares() / self.n
        variance = second - self._shifted_mean() ** 2
        noise = self.n * _EPS * variance + (self.n * self.mean() * _EPS) ** 2
        return np.asarray(variance <= np.maximum(noise, _ROUNDINGS * _EPS * second))

    def scale(self) -> Vector:
        """Return each feature's standard deviation, or 1 where it is constant."""
        return np.where(self.constant(), 1.0, np.sqrt(self.variance()))

    def class_means(self) -> Vector:
        """Return the mean standardised vector of each class, of shape (n_classes, n_features).

        A class without images has the mean of all: zero. So has a constant feature.
        """
        means = (self._shifted_class_means() - self._shifted_mean()) / self.scale()
        means[self.counts == 0] = 0.0
        means[:, self.constant()] = 0.0
        return means

    def total(self, *, overwrite: bool = False) -> Vector:
        """Return the covariance of the vectors, divided by n, packed; `overwrite` the products."""
        covariance = np.divide(self.products, self.n, out=self.products if overwrite else None)
        packed.add_products(covariance, self._shifted_mean()[np.newaxis], -1.0)
        return covariance

    def within(self, *, overwrite: bool = False) -> Vector:
        """Return the covariance within the classes, pooled, as `total` does that of all."""
        covariance = np.divide(self.products, self.n, out=self.products if overwrite else None)
        roots = np.sqrt(self.counts / self.n)[:, np.newaxis]
        packed.add_products(covariance, self._shifted_class_means() * roots, -1.0)
        return covariance

    def covariance(self) -> Vector:
        """Return the covariance of the vectors, divided by n, of shape (n_features, n_features)."""
        return packed.to_square(self.total())

    def principal_components(self, k: int) -> tuple[Vector, Vector]:
        """Find the directions in which the vectors vary most.

        Returns
        -------
        Unit vectors of shape (k, n_features), of which the largest element is positive, and the
        population variances along them, of shape (k,), largest first.
        """
        d = self.n_features
        values, vectors = eigh(
            self.covariance(), subset_by_index=(d - min(k, d), d - 1), overwrite_a=True
        )
        components = vectors.T[::-1]
        largest = np.abs(components).argmax(axis=1)[:, np.newaxis]
        components = components * np.sign(np.take_along_axis(components, largest, axis=1))
        return components, np.maximum(values[::-1], 0.0)

    def _squares(self) -> Vector:
        if self.diagonal:
            return self.products
        return np.asarray(self.products[packed.diagonal(self.n_features)])

    def _shifted_mean(self) -> Vector:
        return np.asarray(self.sums.sum(axis=0) / self.n)

    def _shifted_class_means(self) -> Vector:
        return np.asarray(self.sums / np.maximum(self.counts, 1)[:, np.newaxis])


_NAMES = ("counts", "sums", "products")

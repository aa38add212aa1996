"""The maps give nearly the kernels that they are called after."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.kernel_approximation import AdditiveChi2Sampler

from mr_jobs.lib.kernel_maps import additive_chi2, map_histogram, mapped_length, random_fourier


def histograms(n: int, n_bins: int = 20) -> NDArray[np.float64]:
    counts = np.random.default_rng(0).integers(0, 9, (n, n_bins)).astype(float)
    return np.asarray(counts / counts.sum(axis=1, keepdims=True))


def test_dot_products_are_nearly_the_additive_chi2_kernel() -> None:
    x = histograms(8)
    sums = np.maximum(x[:, None] + x[None], 1e-300)
    kernel = (2 * x[:, None] * x[None] / sums).sum(axis=-1)

    mapped = additive_chi2(x)

    np.testing.assert_allclose(mapped @ mapped.T, kernel, atol=0.05)


def test_the_chi2_map_is_that_of_scikit_learn() -> None:
    x = histograms(5)
    theirs = AdditiveChi2Sampler(sample_steps=2, sample_interval=0.65).fit_transform(x)

    np.testing.assert_allclose(additive_chi2(x), theirs, atol=1e-6)


def test_dot_products_are_nearly_the_gaussian_kernel() -> None:
    x = np.random.default_rng(0).standard_normal((6, 10)).astype(np.float32)
    distances = ((x[:, None] - x[None]) ** 2).sum(axis=-1)

    mapped = np.array([random_fourier(row, 20_000, gamma=0.05, seed=1) for row in x])

    np.testing.assert_allclose(mapped @ mapped.T, np.exp(-0.05 * distances), atol=0.03)


def test_the_fourier_map_depends_on_its_seed_alone() -> None:
    x = np.ones(4, np.float32)

    first = random_fourier(x, 8, gamma=0.1, seed=0)

    assert (first == random_fourier(x, 8, gamma=0.1, seed=0)).all()
    assert (first != random_fourier(x, 8, gamma=0.1, seed=1)).any()


def test_each_map_has_the_length_it_promises() -> None:
    x = histograms(3, 7)

    for kind in ("none", "sqrt", "chi2"):
        assert map_histogram(x, kind).shape == (3, mapped_length(7, kind))
    np.testing.assert_allclose((map_histogram(x, "sqrt") ** 2).sum(axis=1), 1, rtol=1e-6)

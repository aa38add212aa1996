"""Maps after which a linear model is nearly one with a kernel.

None of them is learned; each is the same for every image of every run.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

HISTOGRAM_MAPS = ("none", "sqrt", "chi2")
_CHI2_STEPS = 1  # on each side of zero: 3 values for each bin
_CHI2_INTERVAL = 0.65  # the paper's best for one step; also scikit-learn's AdditiveChi2Sampler


def map_histogram(histogram: NDArray[np.floating], kind: str) -> NDArray[np.float32]:
    """Map histograms, each of which sums to 1.

    Parameters
    ----------
    histogram : array of shape (n_cells, n_bins), no value negative.
    kind : `none`; `sqrt`, after which the dot product is the Bhattacharyya (Hellinger) kernel; or
        `chi2`, see `additive_chi2`.

    Returns
    -------
    float32 array of shape (n_cells, mapped_length(n_bins, kind)).
    """
    if kind == "sqrt":
        return np.asarray(np.sqrt(histogram), np.float32)
    if kind == "chi2":
        return additive_chi2(histogram)
    return histogram.astype(np.float32)


def mapped_length(n_bins: int, kind: str) -> int:
    """Return how many values `map_histogram` makes of a histogram."""
    return n_bins * (2 * _CHI2_STEPS + 1) if kind == "chi2" else n_bins


def additive_chi2(histogram: NDArray[np.floating]) -> NDArray[np.float32]:
    """Approximate the feature map of the additive χ² kernel, k(x, y) = Σ 2 x y / (x + y).

    Parameters
    ----------
    histogram : array of shape (n, n_bins), no value negative.

    Returns
    -------
    float32 array of shape (n, 3 · n_bins), whose dot products are nearly the kernel's values: for
    all bins √x, then the cosine part, then the sine part of each.

    Source: A. Vedaldi and A. Zisserman, Efficient additive kernels via explicit feature maps, PAMI
    34(3), 2012, with sampling interval 0.65 and one step.
    """
    x = histogram.astype(np.float64)
    log_x = np.log(np.where(x > 0, x, 1.0))
    parts = [np.sqrt(x * _CHI2_INTERVAL)]
    for step in range(1, _CHI2_STEPS + 1):
        angle = step * _CHI2_INTERVAL
        factor = np.sqrt(2.0 * x * _CHI2_INTERVAL / np.cosh(np.pi * angle))
        parts += [factor * np.cos(angle * log_x), factor * np.sin(angle * log_x)]
    return np.concatenate(parts, axis=-1).astype(np.float32)


def random_fourier(
    x: NDArray[np.float32], n_values: int, *, gamma: float, seed: int
) -> NDArray[np.float32]:
    """Approximate the feature map of the Gaussian kernel, k(x, y) = exp(-gamma ‖x - y‖²).

    Parameters
    ----------
    x : array of shape (d,).
    n_values : how many values to make; the error of a dot product falls with its square root.
    gamma : of the kernel.
    seed : of the random directions, which are the same wherever NumPy's generator PCG64 is.

    Returns
    -------
    float32 array of shape (n_values,), whose dot products are nearly the kernel's values.

    Source: A. Rahimi and B. Recht, Random features for large-scale kernel machines, NIPS 2007.
    """
    directions, phases = _fourier_basis(x.size, n_values, gamma, seed)
    return np.asarray(np.sqrt(np.float32(2.0 / n_values)) * np.cos(directions @ x + phases))


@lru_cache(maxsize=4)
def _fourier_basis(
    d: int, n_values: int, gamma: float, seed: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    random = np.random.default_rng(seed)
    directions = random.standard_normal((n_values, d)) * np.sqrt(2.0 * gamma)
    phases = random.uniform(0.0, 2.0 * np.pi, n_values)
    return directions.astype(np.float32), phases.astype(np.float32)

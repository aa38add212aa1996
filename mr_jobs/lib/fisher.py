"""Fisher vectors: how the descriptors of an image would pull at a Gaussian mixture.

Source: F. Perronnin, J. Sánchez and T. Mensink, Improving the Fisher kernel for large-scale image
classification, ECCV 2010; J. Sánchez, F. Perronnin, T. Mensink and J. Verbeek, Image classification
with the Fisher vector, IJCV 105, 2013.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float32]


class Mixture(NamedTuple):
    """A Gaussian mixture with diagonal covariances.

    `weights`, float32 of shape (k,), sum to 1; `means` and `variances` are float32 of shape (k, d).
    """

    weights: Matrix
    means: Matrix
    variances: Matrix


def responsibilities(points: Matrix, mixture: Mixture) -> tuple[Matrix, Matrix]:
    """Compute how much each Gaussian is responsible for each point.

    Parameters
    ----------
    points : float32 of shape (n, d).

    Returns
    -------
    float32 array of shape (n, k), whose rows sum to 1, and the points' log likelihoods, float32 of
    shape (n,), without the constant -d/2 · log 2π.
    """
    precisions = np.float32(1) / mixture.variances
    logs = points @ (mixture.means * precisions).T
    logs -= np.float32(0.5) * ((points * points) @ precisions.T)
    constants = np.log(mixture.weights) - np.float32(0.5) * (
        np.log(mixture.variances) + mixture.means * mixture.means * precisions
    ).sum(axis=1)
    logs += constants
    highest = logs.max(axis=1, keepdims=True)
    shares = np.exp(logs - highest)
    totals = shares.sum(axis=1, keepdims=True)
    shares /= totals
    return shares, (np.log(totals) + highest).ravel()


def fisher_vector(points: Matrix, mixture: Mixture) -> Matrix:
    """Compute the improved Fisher vector of a set of descriptors.

    Parameters
    ----------
    points : float32 of shape (n, d), n at least 1.

    Returns
    -------
    float32 array of shape (2 · k · d,): the gradients by the means, Gaussian by Gaussian, then
    those by the standard deviations; after the signed square root its mean square is 1, that is
    L2 normalisation times √(2 k d).
    """
    shares, _ = responsibilities(points, mixture)
    n_points = np.float32(len(points))
    mass = shares.sum(axis=0)[:, None]
    first = shares.T @ points
    second = shares.T @ (points * points)
    roots = np.sqrt(mixture.weights)[:, None] * n_points
    by_means = (first - mass * mixture.means) / np.sqrt(mixture.variances) / roots
    spread = second - 2 * first * mixture.means + mass * mixture.means * mixture.means
    by_deviations = (spread / mixture.variances - mass) / (np.sqrt(np.float32(2)) * roots)
    vector = np.concatenate([by_means.ravel(), by_deviations.ravel()])
    vector = np.sign(vector) * np.sqrt(np.abs(vector))
    length = np.linalg.norm(vector)
    return np.asarray(vector * np.float32(np.sqrt(vector.size) / max(length, 1e-6)), np.float32)

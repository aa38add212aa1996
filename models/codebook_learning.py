"""Make codebooks of the sums of descriptors: whitening, seeding, and the step after each round."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

from mr_jobs.lib.errors import DataError
from mr_jobs.lib.features.base import Codebook, LearnedFeature, project
from mr_jobs.lib.sums import Sums
from mr_jobs.one_thread import one_thread

ZCA_EPSILON = 0.1  # added to the variances of contrast-normalised patches, as in Coates & Ng
_LEAST_VARIANCE = 1e-3  # of a Gaussian in a direction; whitened descriptors have 1 altogether
_SEEDING_ROUNDS = 10  # of k-means on the small sample that a mixture starts from


def whitening(feature: LearnedFeature, sums: Sums) -> dict[str, NDArray[np.float32]]:
    """Make `mean` and `whitening` from the moments of a feature's descriptors.

    Parameters
    ----------
    sums : `n`, `sum` and `products` of `learning.DescriptorMoments`, flat.

    Returns
    -------
    For k-means the ZCA, which keeps a patch a patch (A. Bell and T. Sejnowski, Vision Research 37,
    1997). For a mixture a PCA whose components have variance 1, beside the last values of the
    descriptor, its place, which stay as they are.

    Raises
    ------
    DataError
        If there were no descriptors, or fewer different ones than components.
    """
    n = sums["n"][0] if "n" in sums else 0.0
    length = feature.descriptor_length()
    if n < 2:
        raise DataError(f"there are no descriptors to learn the codebook of {feature.name} from")
    mean = sums["sum"] / n
    covariance = sums["products"].reshape(length, length) / n - np.outer(mean, mean)
    if feature.LEARNER == "kmeans":
        with one_thread():
            variances, directions = eigh(covariance)
        roots = np.sqrt(np.maximum(variances, 0) + ZCA_EPSILON)
        matrix = (directions / roots) @ directions.T
        return {"mean": _float32(mean), "whitening": _float32(matrix)}
    n_places = feature.N_PLACES
    n_components = feature.codebook_shapes()["means"][1] - n_places
    described = length - n_places
    with one_thread():
        variances, directions = eigh(covariance[:described, :described])
    variances, directions = variances[::-1][:n_components], directions[:, ::-1][:, :n_components]
    if variances[-1] <= 1e-9 * variances[0]:
        raise DataError(
            f"the descriptors of {feature.name} differ in fewer than n_components = {n_components} "
            "directions; lower it or add images"
        )
    signs = np.sign(directions[np.abs(directions).argmax(axis=0), range(n_components)])
    matrix = np.zeros((length, n_components + n_places))
    matrix[:described, :n_components] = directions * signs / np.sqrt(variances)
    matrix[described:, n_components:] = np.eye(n_places)
    mean[described:] = 0.0
    return {"mean": _float32(mean), "whitening": _float32(matrix)}


def seed(
    feature: LearnedFeature, codebook: Codebook, sample: NDArray[np.float32], random_seed: int
) -> dict[str, NDArray[np.float32]]:
    """Choose where the rounds start, on a small sample of the descriptors.

    k-means++ (D. Arthur and S. Vassilvitskii, SODA 2007) gives the centroids; those of a mixture
    are moved by some rounds of k-means, and its Gaussians are the clusters'.

    Parameters
    ----------
    sample : float32 of shape (n, descriptor_length), not whitened.

    Raises
    ------
    DataError
        If there are fewer descriptors than words.
    """
    from sklearn.cluster import KMeans

    n_words = feature.n_words
    if len(sample) < n_words:
        raise DataError(
            f"{len(sample)} descriptors are too few for the {n_words} words of {feature.name}; "
            "lower their number or add images"
        )
    rounds = 1 if feature.LEARNER == "kmeans" else _SEEDING_ROUNDS
    with one_thread():
        points = project(sample, codebook).astype(np.float64)
        means = KMeans(n_words, n_init=1, max_iter=rounds, tol=0, random_state=random_seed)
        nearest = means.fit_predict(points)
    made = {**codebook}
    if feature.LEARNER == "kmeans":
        return made | {"centroids": _float32(means.cluster_centers_)}
    of_one = np.eye(n_words)[nearest]
    with one_thread():
        sums = {
            "n": np.array([float(len(points))]),
            "mass": of_one.sum(axis=0),
            "first": (of_one.T @ points).ravel(),
            "second": (of_one.T @ (points * points)).ravel(),
        }
    return made | _maximised(sums, means.cluster_centers_, np.ones_like(means.cluster_centers_))


def updated(
    feature: LearnedFeature, codebook: Codebook, sums: Sums
) -> tuple[dict[str, NDArray[np.float32]], float]:
    """Make the codebook of the next round from the sums of this one.

    Returns
    -------
    The codebook, and what was minimised: the mean squared distance to the nearest centroid, or the
    mean negative log likelihood.
    """
    made = {**codebook}
    if feature.LEARNER == "kmeans":
        counts = sums["counts"][:, None]
        moved = sums["sums"].reshape(codebook["centroids"].shape) / np.maximum(counts, 1)
        made["centroids"] = _float32(np.where(counts > 0, moved, codebook["centroids"]))
        return made, float(sums["cost"][0] / counts.sum())
    made |= _maximised(sums, codebook["means"], codebook["variances"])
    return made, float(-sums["log_likelihood"][0] / sums["n"][0])


def _maximised(
    sums: Sums, old_means: NDArray[np.floating], old_variances: NDArray[np.floating]
) -> dict[str, NDArray[np.float32]]:
    """Do the maximisation step; a Gaussian that is responsible for nothing stays where it was."""
    mass = sums["mass"][:, None]
    alive = mass > 1e-3 * sums["n"][0] / len(mass)
    safe = np.where(alive, mass, 1.0)
    means = np.where(alive, sums["first"].reshape(old_means.shape) / safe, old_means)
    squares = sums["second"].reshape(old_means.shape) / safe
    variances = np.where(alive, squares - means * means, old_variances)
    weights = np.maximum(sums["mass"], 1e-3 * sums["n"][0] / len(mass))
    return {
        "weights": _float32(weights / weights.sum()),
        "means": _float32(means),
        "variances": _float32(np.maximum(variances, _LEAST_VARIANCE)),
    }


def _float32(values: NDArray[np.floating]) -> NDArray[np.float32]:
    return np.ascontiguousarray(values, np.float32)

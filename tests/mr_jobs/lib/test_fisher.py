"""Fisher vectors against scikit-learn's mixture and the gradient that they are named after."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.mixture import GaussianMixture

from mr_jobs.lib.fisher import Mixture, fisher_vector, responsibilities


@pytest.fixture
def points() -> NDArray[np.float32]:
    random = np.random.default_rng(0)
    return np.concatenate([random.normal(c, 1, (60, 4)) for c in (-2, 0, 3)]).astype(np.float32)


@pytest.fixture
def fitted(points: NDArray[np.float32]) -> GaussianMixture:
    return GaussianMixture(3, covariance_type="diag", random_state=0).fit(points)


def mixture_of(fitted: GaussianMixture) -> Mixture:
    arrays = (fitted.weights_, fitted.means_, fitted.covariances_)
    return Mixture(*(np.asarray(array, np.float32) for array in arrays))


def test_responsibilities_are_those_of_scikit_learn(
    points: NDArray[np.float32], fitted: GaussianMixture
) -> None:
    shares, log_likelihoods = responsibilities(points, mixture_of(fitted))

    np.testing.assert_allclose(shares, fitted.predict_proba(points), atol=1e-4)
    constant = -0.5 * points.shape[1] * np.log(2 * np.pi)
    np.testing.assert_allclose(
        log_likelihoods + constant, fitted.score_samples(points), rtol=1e-4, atol=1e-3
    )


def test_the_vector_is_the_gradient_of_the_log_likelihood(
    points: NDArray[np.float32], fitted: GaussianMixture
) -> None:
    some = points[::7].astype(np.float64)
    means, deviations = fitted.means_, np.sqrt(fitted.covariances_)

    def likelihood(means: NDArray[np.float64], deviations: NDArray[np.float64]) -> float:
        z = (some[:, None] - means) / deviations
        logs = np.log(fitted.weights_) - np.log(deviations).sum(axis=1) - 0.5 * (z**2).sum(axis=2)
        return float(np.log(np.exp(logs).sum(axis=1)).mean())

    step = 1e-5
    gradient = np.zeros((2, 3, 4))
    for k, d in np.ndindex(3, 4):
        nudge = np.zeros((3, 4))
        nudge[k, d] = step
        up, down = likelihood(means + nudge, deviations), likelihood(means - nudge, deviations)
        gradient[0, k, d] = (up - down) / (2 * step) * deviations[k, d]
        up, down = likelihood(means, deviations + nudge), likelihood(means, deviations - nudge)
        gradient[1, k, d] = (up - down) / (2 * step) * deviations[k, d] / np.sqrt(2)
    gradient /= np.sqrt(fitted.weights_)[:, None]
    expected = (np.sign(gradient) * np.sqrt(np.abs(gradient))).ravel()
    expected *= np.sqrt(expected.size) / np.linalg.norm(expected)

    vector = fisher_vector(points[::7], mixture_of(fitted))

    assert vector.dtype == np.float32
    np.testing.assert_allclose(vector, expected, atol=0.01)


def test_the_order_of_points_does_not_matter_and_the_mean_square_is_one(
    points: NDArray[np.float32], fitted: GaussianMixture
) -> None:
    vector = fisher_vector(points[:50], mixture_of(fitted))

    np.testing.assert_allclose(vector, fisher_vector(points[49::-1], mixture_of(fitted)), atol=1e-3)
    np.testing.assert_allclose((vector**2).mean(), 1, rtol=1e-5)


def test_points_far_from_every_gaussian_give_finite_values(fitted: GaussianMixture) -> None:
    far = np.full((3, 4), 1e4, np.float32)

    assert np.isfinite(fisher_vector(far, mixture_of(fitted))).all()

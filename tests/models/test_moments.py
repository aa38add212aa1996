import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.preprocessing import StandardScaler

from models.moments import Moments, shrink_and_solve
from mr_jobs.lib.errors import ConfigError


@pytest.fixture
def vectors() -> NDArray[np.float32]:
    random = np.random.default_rng(0)
    made = (100 + random.normal(size=(60, 8)) * np.geomspace(1e-3, 10, 8)).astype(np.float32)
    made[:, 3] = 0.1  # constant, and not exact in binary
    made.flags.writeable = False
    return made


@pytest.fixture
def y() -> NDArray[np.int64]:
    labels = np.random.default_rng(1).integers(0, 4, 60)
    labels[labels == 2] = 0  # class 2 has no image
    return labels


def moments_of(vectors: NDArray[np.float32], y: NDArray[np.int64], n_rows: int) -> Moments:
    moments = Moments(4)
    for start in range(0, len(y), n_rows):
        moments.add(vectors[start : start + n_rows], y[start : start + n_rows])
    return moments


@pytest.mark.parametrize("n_rows", [1, 7, 60])
def test_scaling_equals_that_of_the_whole_matrix(
    vectors: NDArray[np.float32], y: NDArray[np.int64], n_rows: int
) -> None:
    moments = moments_of(vectors, y, n_rows)
    scaler = StandardScaler().fit(vectors.astype(np.float64))

    np.testing.assert_allclose(moments.mean(), scaler.mean_, rtol=1e-12)
    np.testing.assert_allclose(moments.variance(), scaler.var_, rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(moments.scale(), scaler.scale_, rtol=1e-9)
    assert moments.scale()[3] == 1.0


@pytest.mark.parametrize("n_rows", [1, 7, 60])
def test_covariances_equal_those_of_the_whole_matrix(
    vectors: NDArray[np.float32], y: NDArray[np.int64], n_rows: int
) -> None:
    moments = moments_of(vectors, y, n_rows)
    scaled = StandardScaler().fit_transform(vectors.astype(np.float64))
    means = np.stack([scaled[y == c].mean(axis=0) if c != 2 else np.zeros(8) for c in range(4)])
    within = scaled - means[y]

    np.testing.assert_allclose(moments.class_means(), means, atol=1e-10)
    np.testing.assert_allclose(
        moments.total_covariance(), np.tril(scaled.T @ scaled / 60), atol=1e-10
    )
    np.testing.assert_allclose(
        moments.within_covariance(), np.tril(within.T @ within / 60), atol=1e-10
    )
    assert moments.counts.tolist() == np.bincount(y, minlength=4).tolist()


def test_an_empty_block_changes_nothing(vectors: NDArray[np.float32], y: NDArray[np.int64]) -> None:
    moments = moments_of(vectors, y, 60)
    before = moments.variance()

    moments.add(vectors[:0], y[:0])

    assert moments.n == 60
    assert moments.variance().tolist() == before.tolist()


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-10), (np.float32, 1e-4)])
def test_the_solution_solves_the_shrunk_system(
    dtype: type[np.floating[np.typing.NBitBase]], tolerance: float
) -> None:
    random = np.random.default_rng(0)
    root = random.normal(size=(5, 9))
    covariance = np.asfortranarray(np.tril(root @ root.T))
    right = random.normal(size=(5, 2))
    before = covariance.copy()

    solution = shrink_and_solve(covariance, 0.25, 2.0, right.astype(dtype))

    system = 0.75 * (root @ root.T) + 0.25 * 2.0 * np.eye(5)
    np.testing.assert_allclose(system @ solution, right, atol=tolerance)
    assert (covariance == before).all()


def test_a_singular_covariance_without_shrinkage_is_refused() -> None:
    covariance = np.asfortranarray(np.tril(np.ones((3, 3))))

    with pytest.raises(ConfigError, match=r"shrinkage = 0\.0 is too small"):
        shrink_and_solve(covariance, 0.0, 1.0, np.ones((3, 1)))

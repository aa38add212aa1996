import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from mr_jobs.lib import packed
from mr_jobs.lib.errors import DataError
from mr_jobs.lib.moments import Moments

GRID = 2.0**-12


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


def moments_of(
    vectors: NDArray[np.float32], y: NDArray[np.int64], n_rows: int = 60, *, diagonal: bool = False
) -> Moments:
    pivot = np.round(vectors[:20].mean(axis=0, dtype=np.float64) / GRID) * GRID
    moments = Moments.empty(4, vectors.shape[1], pivot, diagonal=diagonal)
    for start in range(0, len(y), n_rows):
        moments.add(vectors[start : start + n_rows], y[start : start + n_rows])
    return moments


@pytest.mark.parametrize("diagonal", [False, True])
@pytest.mark.parametrize("n_rows", [1, 7, 60])
def test_scaling_equals_that_of_the_whole_matrix(
    vectors: NDArray[np.float32], y: NDArray[np.int64], n_rows: int, diagonal: bool
) -> None:
    moments = moments_of(vectors, y, n_rows, diagonal=diagonal)
    scaler = StandardScaler().fit(vectors.astype(np.float64))

    np.testing.assert_allclose(moments.mean(), scaler.mean_, rtol=1e-12)
    np.testing.assert_allclose(moments.variance(), scaler.var_, rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(moments.scale(), scaler.scale_, rtol=1e-9)
    assert moments.constant().tolist() == [False] * 3 + [True] + [False] * 4


@pytest.mark.parametrize("n_rows", [1, 7, 60])
def test_covariances_equal_those_of_the_whole_matrix(
    vectors: NDArray[np.float32], y: NDArray[np.int64], n_rows: int
) -> None:
    moments = moments_of(vectors, y, n_rows)
    exact = vectors.astype(np.float64)
    means = np.stack([exact[y == c].mean(axis=0) if c != 2 else np.zeros(8) for c in range(4)])
    within, total = exact - means[y], exact - exact.mean(axis=0)
    scaled = (means - exact.mean(axis=0)) / moments.scale()
    scaled[2] = scaled[:, 3] = 0

    np.testing.assert_allclose(moments.class_means(), scaled, atol=1e-10)
    np.testing.assert_allclose(moments.covariance(), total.T @ total / 60, rtol=1e-8, atol=1e-11)
    np.testing.assert_allclose(
        packed.to_square(moments.within()), within.T @ within / 60, rtol=1e-8, atol=1e-11
    )
    assert moments.counts.tolist() == np.bincount(y, minlength=4).tolist()


@pytest.mark.parametrize("diagonal", [False, True])
def test_any_grouping_and_order_of_vectors_on_the_grid_gives_the_same_bits(diagonal: bool) -> None:
    random = np.random.default_rng(2)
    vectors = (random.integers(-4096, 4097, (500, 9)) * GRID).astype(np.float32)
    labels = random.integers(0, 4, 500)
    one = Moments.empty(4, 9, diagonal=diagonal)
    one.add(vectors, labels)

    order = random.permutation(500)
    parts = []
    for rows in np.array_split(order, 16):
        parts.append(Moments.empty(4, 9, diagonal=diagonal))
        parts[-1].add(vectors[rows], labels[rows])
    total = parts[0]
    for part in parts[1:]:
        total = total + part

    for (name, mine), (_, theirs) in zip(total.to_sums("x"), one.to_sums("x"), strict=True):
        assert mine.tobytes() == theirs.tobytes(), name


def test_moments_of_selected_features_are_those_of_the_narrower_vectors(
    vectors: NDArray[np.float32], y: NDArray[np.int64]
) -> None:
    kept = np.array([0, 2, 5, 6])

    some = moments_of(vectors, y).select(kept)
    narrow = moments_of(np.ascontiguousarray(vectors[:, kept]), y)

    assert some.n == narrow.n
    np.testing.assert_allclose(some.mean(), narrow.mean(), rtol=1e-14)
    np.testing.assert_allclose(some.within(), narrow.within(), rtol=1e-9, atol=1e-12)


def test_principal_components_are_scikit_learns(y: NDArray[np.int64]) -> None:
    exact = np.random.default_rng(3).normal(size=(60, 6)) * [5, 4, 3, 2, 1, 0.5]
    moments = Moments.empty(1, 6)
    moments.add(exact, np.zeros(60, np.int64))

    components, variances = moments.principal_components(3)

    theirs = PCA(3, svd_solver="full").fit(exact)
    signs = np.sign((components * theirs.components_).sum(axis=1))
    np.testing.assert_allclose(components, theirs.components_ * signs[:, None], atol=1e-10)
    np.testing.assert_allclose(variances, theirs.explained_variance_ * 59 / 60, rtol=1e-10)
    assert (components.max(axis=1) == np.abs(components).max(axis=1)).all()


def test_moments_survive_being_written_as_sums(
    vectors: NDArray[np.float32], y: NDArray[np.int64]
) -> None:
    moments = moments_of(vectors, y)
    sums = {name: array.reshape(-1) for name, array in moments.to_sums("inner")}

    read = Moments.from_sums(sums, "inner", moments.pivot)

    assert read.mean().tolist() == moments.mean().tolist()
    sums["inner/products"] = sums["inner/products"][:-1]
    with pytest.raises(DataError, match="do not fit each other"):
        Moments.from_sums(sums, "inner")


def test_an_empty_block_changes_nothing(vectors: NDArray[np.float32], y: NDArray[np.int64]) -> None:
    moments = moments_of(vectors, y)
    before = moments.variance()

    moments.add(vectors[:0], y[:0])

    assert moments.n == 60
    assert moments.variance().tolist() == before.tolist()


@pytest.mark.parametrize("label", [-1, 4])
def test_a_label_outside_the_classes_is_refused(label: int) -> None:
    with pytest.raises(DataError, match="are not from 0 to 3"):
        Moments.empty(4, 2).add(np.zeros((1, 2)), np.array([label]))

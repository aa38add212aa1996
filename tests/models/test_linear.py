import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import RidgeClassifier

from models.linear import Problem
from mr_jobs.lib.moments import Moments


@pytest.fixture
def moments() -> Moments:
    random = np.random.default_rng(0)
    y = random.integers(0, 3, 80)
    made = Moments.empty(3, 10)
    made.add(random.normal(size=(80, 10)) * np.geomspace(0.01, 10, 10) + y[:, np.newaxis], y)
    return made


@pytest.mark.parametrize("kind", ["lda", "ridge"])
def test_the_whole_path_equals_the_solutions_one_by_one(moments: Moments, kind: str) -> None:
    shrinkages = [0.001, 0.02, 0.1, 0.5, 0.9, 0.99]
    problem = Problem(kind, moments)

    path = list(problem.path(shrinkages))

    for shrinkage, (coef, intercept) in zip(shrinkages, path, strict=True):
        alone = problem.solve(shrinkage)
        np.testing.assert_allclose(coef, alone.coef, rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(intercept, alone.intercept, rtol=1e-9)


@pytest.mark.parametrize("kind", ["lda", "ridge"])
def test_trying_out_is_nearly_solving(moments: Moments, kind: str) -> None:
    problem = Problem(kind, moments)

    for shrinkage in (0.001, 0.1, 0.9):
        exact, near = problem.solve(shrinkage), problem.try_out(shrinkage)
        np.testing.assert_allclose(near.coef, exact.coef, rtol=1e-3, atol=1e-4)


def test_features_left_out_have_the_weight_0_and_do_not_matter(moments: Moments) -> None:
    kept: NDArray[np.int64] = np.array([0, 1, 2, 7, 8])

    some = Problem("lda", moments, kept).solve(0.3)
    narrow = Problem("lda", moments.select(kept)).solve(0.3)

    np.testing.assert_allclose(some.coef[:, kept], narrow.coef, rtol=1e-12)
    assert np.flatnonzero(some.coef.any(axis=0)).tolist() == kept.tolist()


def test_nothing_but_constant_features_gives_the_most_frequent_class() -> None:
    moments = Moments.empty(2, 3)
    moments.add(np.ones((5, 3)), np.array([0, 1, 1, 1, 0]))

    coef, intercept = Problem("lda", moments).solve(0.5)

    assert not coef.any()
    assert intercept.argmax() == 1


@pytest.mark.parametrize("kind", ["lda", "ridge"])
@pytest.mark.parametrize("shrinkage", [0.02, 0.3, 0.9, 1.0])
def test_few_images_of_many_values_have_scikit_learns_solution(kind: str, shrinkage: float) -> None:
    random = np.random.default_rng(1)
    y = np.arange(30) % 3
    vectors = random.normal(size=(30, 200)) * np.geomspace(0.01, 10, 200) + y[:, np.newaxis]
    moments = Moments.empty(3, 200)
    moments.add(vectors, y)

    coef, intercept = Problem(kind, moments).solve(shrinkage)

    standard = (vectors - vectors.mean(0)) / vectors.std(0)
    if kind == "lda":
        theirs = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage)
    else:
        theirs = RidgeClassifier(alpha=30 * shrinkage / max(1 - shrinkage, 1e-12))
    theirs.fit(standard, y)
    np.testing.assert_allclose(coef, theirs.coef_, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(intercept, theirs.intercept_, rtol=1e-6, atol=1e-8)

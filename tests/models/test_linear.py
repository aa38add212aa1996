import numpy as np
import pytest
from numpy.typing import NDArray

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

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mr_jobs.lib import packed
from mr_jobs.lib.errors import ConfigError

ORDERS = [1, 2, 3, 4, 7, 8]


def packed_product(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    made = packed.zeros(rows.shape[1])
    packed.add_products(made, rows)
    return made


def some_rows(d: int) -> NDArray[np.float64]:
    return np.random.default_rng(d).normal(size=(d + 3, d))


@pytest.mark.parametrize("d", ORDERS)
def test_products_add_up_to_the_matrix(d: int) -> None:
    rows = some_rows(d)
    made = packed_product(rows[:2])
    packed.add_products(made, np.ascontiguousarray(rows[2:]), 0.5)

    square = rows[:2].T @ rows[:2] + 0.5 * rows[2:].T @ rows[2:]

    assert made.size == d * (d + 1) // 2
    assert packed.order_of(made) == d
    np.testing.assert_allclose(packed.to_square(made), square, atol=1e-13)
    np.testing.assert_allclose(made[packed.diagonal(d)], np.diag(square), atol=1e-13)


@pytest.mark.parametrize("d", ORDERS)
def test_every_part_of_a_matrix_can_be_selected(d: int) -> None:
    made = packed_product(some_rows(d))
    square = packed.to_square(made)
    for kept in (np.arange(0, d, 2), np.arange(d), np.arange(d // 2, d)):
        part = packed.to_square(packed.select(made, kept))

        assert part.tolist() == square[np.ix_(kept, kept)].tolist()


@pytest.mark.parametrize("d", ORDERS)
def test_the_norm_is_that_of_the_scaled_square(d: int) -> None:
    scale = np.linspace(1, 3, d)
    made = packed_product(some_rows(d))

    expected = (packed.to_square(made) / scale / scale[:, np.newaxis]) ** 2

    assert packed.norm_squared(made, scale) == pytest.approx(expected.sum())


@pytest.mark.parametrize("d", ORDERS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-9), (np.float32, 1e-2)])
def test_the_solution_solves_the_system(d: int, dtype: Any, tolerance: float) -> None:
    rows = some_rows(d)
    right = np.random.default_rng(0).normal(size=(d, 2))

    solution = packed.solve(packed_product(rows).astype(dtype), right)

    assert solution.dtype == dtype
    np.testing.assert_allclose(rows.T @ rows @ solution, right, atol=tolerance)


def test_a_singular_matrix_is_refused() -> None:
    with pytest.raises(ConfigError, match="singular"):
        packed.solve(packed_product(np.ones((1, 3))), np.ones((3, 1)))


@pytest.mark.parametrize("d", ORDERS)
def test_every_row_of_a_matrix_can_be_found(d: int) -> None:
    made = packed_product(some_rows(d))
    square = packed.to_square(made)

    for number in range(d):
        np.testing.assert_array_equal(made[packed.row(d, number)], square[number])


@pytest.mark.parametrize("d", [*ORDERS, 40])
@pytest.mark.parametrize("rank", [0, 1, 3])
def test_a_matrix_of_low_rank_is_the_product_of_its_factor(d: int, rank: int) -> None:
    scale = np.geomspace(1e-4, 1e3, d)
    rows = np.random.default_rng(d).normal(size=(rank, d)) * scale
    made = packed_product(rows) if rank else packed.zeros(d)

    factor = packed.low_rank(made, scale, most=d)

    assert factor.shape == (min(rank, d), d)
    standardised = packed.to_square(made) / scale / scale[:, np.newaxis]
    np.testing.assert_allclose(factor.T @ factor, standardised, atol=1e-12)

import math
import random

import numpy as np
import pytest
from numpy.typing import NDArray

from mr_jobs.lib.errors import DataError
from mr_jobs.lib.sums import CHUNK, CompensatedSum, assemble, chunks

SIZES = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK]


def records(name: str, array: NDArray[np.float64]) -> list[tuple[str, bytes]]:
    return [(key, piece.tobytes()) for key, piece in chunks(name, array)]


@pytest.mark.parametrize("size", SIZES)
def test_chunks_in_any_order_make_the_array_again(size: int) -> None:
    array = np.random.default_rng(0).normal(size=size)
    mixed = records("a", array) + records("b", np.arange(3.0).reshape(3, 1))
    random.Random(1).shuffle(mixed)

    made = assemble(mixed)

    assert made["a"].tobytes() == array.tobytes()
    assert made["b"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("size", [CHUNK, CHUNK + 1, 2 * CHUNK])
@pytest.mark.parametrize("lost", [0, 1, -1])
def test_a_lost_chunk_is_noticed(size: int, lost: int) -> None:
    left = records("a", np.zeros(size))
    del left[lost]

    with pytest.raises(DataError, match="of a is missing; run the job again"):
        assemble(left)


def test_a_chunk_that_comes_twice_is_noticed() -> None:
    with pytest.raises(DataError, match="the chunk 0 of a comes twice"):
        assemble(records("a", np.zeros(2)) * 2)


@pytest.mark.parametrize(("key", "value"), [("a", b""), ("a\tx", b""), ("a\t000000000000", b"1")])
def test_what_is_no_chunk_is_refused(key: str, value: bytes) -> None:
    with pytest.raises(DataError, match="is not the key of a sum"):
        assemble([(key, value)])


def test_no_records_are_no_sums() -> None:
    assert assemble([]) == {}


@pytest.mark.parametrize("seed", range(3))
def test_a_compensated_sum_is_that_of_infinite_precision_in_any_order(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(2000, 3)) * 10.0 ** rng.integers(-8, 9, (2000, 3))
    values = np.vstack([values, -values[:1000]])
    rng.shuffle(values)
    total = CompensatedSum()
    for row in values:
        total.add(row)

    exact = [math.fsum(column) for column in values.T]

    np.testing.assert_allclose(total.value(), exact, rtol=1e-14)


def test_small_summands_are_not_swallowed_by_a_large_one() -> None:
    total = CompensatedSum()
    for number in (1e100, 1.0, -1e100):
        total.add(np.array([number]))

    assert total.value().tolist() == [1.0]


def test_sums_of_different_lengths_are_refused() -> None:
    total = CompensatedSum()
    total.add(np.zeros(2))

    with pytest.raises(DataError, match="of 3 and of 2 numbers"):
        total.add(np.zeros(3))

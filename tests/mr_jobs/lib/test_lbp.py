"""Local binary patterns against brute force and values worked by hand."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mr_jobs.lib.lbp import N_PATTERNS, lbp_histograms, lbp_numbers


def noise(side_px: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (side_px, side_px), np.uint8)


def n_changes(bits: list[bool]) -> int:
    return sum(a != b for a, b in zip(bits, bits[1:] + bits[:1], strict=True))


def test_there_are_58_uniform_patterns_and_one_number_for_the_others() -> None:
    assert N_PATTERNS == 59


def test_the_pattern_of_a_flat_image_is_that_of_eight_equal_neighbours() -> None:
    numbers = lbp_numbers(np.full((5, 5), 9, np.uint8))

    assert (numbers == 57).all()  # 11111111, the last uniform one


def test_a_bright_pixel_has_no_neighbour_as_bright() -> None:
    image = np.zeros((3, 3), np.uint8)
    image[1, 1] = 1

    assert lbp_numbers(image).tolist() == [[0]]  # 00000000


def test_patterns_that_change_more_than_twice_share_a_number() -> None:
    image = noise(30)
    around = [(-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1)]

    numbers = lbp_numbers(image)

    for y in range(28):
        for x in range(28):
            bits = [bool(image[y + 1 + a, x + 1 + b] >= image[y + 1, x + 1]) for a, b in around]
            assert (numbers[y, x] == 58) == (n_changes(bits) > 2)


def test_equal_patterns_and_only_they_have_equal_numbers_if_uniform() -> None:
    image = noise(200)
    numbers = lbp_numbers(image)

    assert set(np.unique(numbers)) == set(range(59))


def test_brightness_and_contrast_do_not_matter() -> None:
    image = noise(20) // 4

    assert (lbp_numbers(image) == lbp_numbers(image * 3 + 20)).all()


def test_each_cell_sums_to_one() -> None:
    one, four = lbp_histograms(noise(34), grids=(1, 2))

    np.testing.assert_allclose(one.sum(axis=1), 1)
    np.testing.assert_allclose(four.mean(axis=0), one[0])  # cells of equal size

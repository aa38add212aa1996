"""Colour features against brute force, values worked by hand, and invariances."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from mr_jobs.lib.color import LAB, cell_histograms, color_histograms, lab_pixels


def noise(height_px: int, width_px: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height_px, width_px, 3), np.uint8)


def brute_force(
    image: NDArray[np.uint8], bins: tuple[int, int, int], grid: int
) -> list[list[float]]:
    """Count one pixel at a time."""
    counts = np.zeros((grid, grid, *bins))
    height, width = image.shape[:2]
    hsv = cv2.cvtColor(image, cv2.COLOR_BGR2HSV)
    for y, x in itertools.product(range(height), range(width)):
        hue, saturation, value = map(int, hsv[y, x])
        counts[
            y * grid // height,
            x * grid // width,
            hue * bins[0] // 180,
            saturation * bins[1] // 256,
            value * bins[2] // 256,
        ] += 1
    cells = counts.reshape(grid * grid, -1)
    return [[n / cell.sum() for n in cell] for cell in cells]


@pytest.mark.parametrize("grid", [1, 2, 3, 4])
@pytest.mark.parametrize("bins", [(8, 4, 4), (3, 2, 5)])
def test_the_histogram_is_that_of_brute_force(bins: tuple[int, int, int], grid: int) -> None:
    image = noise(21, 30)

    (histogram,) = color_histograms(image, bins=bins, grids=(grid,))

    np.testing.assert_allclose(histogram, brute_force(image, bins, grid), rtol=1e-6)


@pytest.mark.parametrize("levels", [180, 256])
def test_every_value_is_in_its_bin_for_every_number_of_bins(levels: int) -> None:
    values = np.arange(levels, dtype=np.uint8)[None]

    for n_bins in range(1, levels + 1):
        (histogram,) = cell_histograms(values, (n_bins,), (levels,), 1)
        counts = np.bincount(np.arange(levels) * n_bins // levels, minlength=n_bins)
        assert (histogram == counts / levels).all()


def test_three_pixels_in_four_of_one_colour_give_three_quarters() -> None:
    image = np.zeros((2, 2, 3), np.uint8)
    image[0, 0] = (255, 255, 255)  # value 255: the last bin of value; black: the first

    (histogram,) = color_histograms(image, bins=(1, 1, 4))

    np.testing.assert_allclose(histogram, [[3 / 4, 0, 0, 1 / 4]])


def test_each_cell_describes_its_own_part_of_the_image() -> None:
    image = np.zeros((8, 8, 3), np.uint8)
    image[:4, 4:] = 255  # the cell of the first row and second column

    _, histogram = color_histograms(image, bins=(1, 1, 2), grids=(1, 2))

    assert histogram.reshape(4, 2).tolist() == [[1, 0], [0, 1], [1, 0], [1, 0]]


def test_the_order_of_pixels_does_not_change_a_whole_histogram() -> None:
    image = noise(16, 16)
    shuffled = np.random.default_rng(1).permutation(image.reshape(-1, 3)).reshape(image.shape)

    assert (color_histograms(image)[0] == color_histograms(shuffled)[0]).all()


def test_the_size_of_an_image_does_not_change_its_histograms() -> None:
    image = noise(16, 16)
    larger = image.repeat(3, axis=0).repeat(3, axis=1)

    for small, large in zip(
        color_histograms(image, grids=(1, 2, 4)),
        color_histograms(larger, grids=(1, 2, 4)),
        strict=True,
    ):
        np.testing.assert_allclose(small, large, rtol=1e-6)


def test_a_histogram_sums_to_one_in_each_cell() -> None:
    (histogram,) = color_histograms(noise(13, 17), grids=(4,))

    np.testing.assert_allclose(histogram.sum(axis=1), 1, rtol=1e-6)


def test_grey_is_in_the_middle_bins_of_the_two_colour_axes_of_lab() -> None:
    image = np.full((4, 4, 3), 200, np.uint8)

    (histogram,) = color_histograms(image, LAB, bins=(1, 2, 2))

    assert histogram.reshape(2, 2).tolist() == [[0, 0], [0, 1]]


def test_lab_pixels_of_white_and_black_are_the_ends_of_lightness() -> None:
    image = np.zeros((8, 16, 3), np.uint8)
    image[:, 8:] = 255

    pixels = lab_pixels(image, side_px=2).reshape(2, 2, 3)

    assert pixels.dtype == np.float32
    np.testing.assert_allclose(pixels[..., 0], [[0, 1], [0, 1]])
    np.testing.assert_allclose(pixels[..., 1:], 128 / 255)  # no colour


def test_lab_pixels_are_means_of_areas() -> None:
    image = noise(64, 64)
    means = np.rint(image.reshape(8, 8, 8, 8, 3).mean(axis=(1, 3))).astype(np.uint8)

    expected = cv2.cvtColor(means, cv2.COLOR_BGR2LAB).ravel() / 255

    np.testing.assert_allclose(lab_pixels(image, side_px=8), expected, atol=2 / 255)

"""Colour features: joint histograms on grids of cells, and the image as a few Lab pixels."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray


class ColorSpace(NamedTuple):
    """A colour space of OpenCV: its conversion from BGR, and the levels of its 8-bit channels."""

    name: str
    conversion: int
    levels: tuple[int, int, int]
    channels: str


HSV = ColorSpace("hsv", cv2.COLOR_BGR2HSV, (180, 256, 256), "hue, saturation and value")
LAB = ColorSpace("lab", cv2.COLOR_BGR2LAB, (256, 256, 256), "lightness, a and b")


def color_histograms(
    image: NDArray[np.uint8],
    space: ColorSpace = HSV,
    *,
    bins: tuple[int, int, int] = (8, 4, 4),
    grids: tuple[int, ...] = (1,),
) -> list[NDArray[np.float64]]:
    """Compute the joint colour histograms of the cells of grids over an image.

    Parameters
    ----------
    image : uint8 array of shape (height, width, 3), BGR.
    space : the colour space of the histograms.
    bins : bins of equal width for each channel.
    grids : cells a side, for each grid; at most height and width.

    Returns
    -------
    One float64 array of shape (grid², prod(bins)) for each grid: row by row of cells, the first
    channel the slowest bin. The values of a cell sum to 1.

    Examples
    --------
    >>> red = np.zeros((2, 2, 3), np.uint8)
    >>> red[..., 2] = 255
    >>> color_histograms(red, bins=(2, 2, 2))[0]
    array([[0., 0., 0., 1., 0., 0., 0., 0.]])
    """
    numbers = _bin_numbers(image, space, bins)
    return [cell_counts(numbers, bins[0] * bins[1] * bins[2], grid) for grid in grids]


def cell_counts(numbers: NDArray[np.intp], n_bins: int, grid: int) -> NDArray[np.float64]:
    """Count bin numbers, of shape (height, width), in each cell of a grid × grid.

    A pixel of row y belongs to row y · grid // height of the cells; likewise for columns.

    Returns
    -------
    float64 array of shape (grid², n_bins), row by row of cells; each cell sums to 1.
    """
    height_px, width_px = numbers.shape
    rows = np.arange(height_px) * grid // height_px
    columns = np.arange(width_px) * grid // width_px
    places = (rows[:, None] * grid + columns) * n_bins + numbers
    counts = np.bincount(places.ravel(), minlength=grid * grid * n_bins)
    counts = counts.reshape(grid * grid, n_bins)
    return np.asarray(counts / counts.sum(axis=1, keepdims=True))


def _bin_numbers(
    image: NDArray[np.uint8], space: ColorSpace, bins: tuple[int, int, int]
) -> NDArray[np.intp]:
    """Return the number of the joint bin of each pixel; shape (height, width)."""
    converted = cv2.cvtColor(image, space.conversion)
    numbers = np.zeros(converted.shape[:2], np.intp)
    for channel, (n, levels) in enumerate(zip(bins, space.levels, strict=True)):
        numbers *= n
        numbers += (np.arange(256) * n // levels)[converted[..., channel]]
    return numbers


def lab_pixels(image: NDArray[np.uint8], *, side_px: int = 8) -> NDArray[np.float32]:
    """Shrink an image to a few pixels of the Lab colour space.

    Parameters
    ----------
    image : uint8 array of shape (height, width, 3), BGR.
    side_px : side of the small image; each of its pixels is the mean of the area it covers.

    Returns
    -------
    float32 array of shape (side_px² · 3,): row by row of pixels, each L, a, b in 0..1.
    """
    small = cv2.resize(image, (side_px, side_px), interpolation=cv2.INTER_AREA)
    lab = cv2.cvtColor(small, cv2.COLOR_BGR2LAB)
    return (lab.astype(np.float32) / np.float32(255)).ravel()

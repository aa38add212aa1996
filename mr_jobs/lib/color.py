"""Colour features: joint histograms on grids of cells, and the image as a few Lab pixels."""

from __future__ import annotations

from functools import lru_cache
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
    grids : cells a side, for each grid; at most height, width and 256.

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
    converted = np.asarray(cv2.cvtColor(image, space.conversion), np.uint8)
    return [cell_histograms(converted, bins, space.levels, grid) for grid in grids]


def cell_histograms(
    image: NDArray[np.uint8], bins: tuple[int, ...], levels: tuple[int, ...], grid: int
) -> NDArray[np.float64]:
    """Compute the joint histograms of the cells of a grid × grid over an image.

    A pixel of row y belongs to row y · grid // height of the cells, likewise for columns; a value v
    of a channel to its bin v · bins // levels.

    Parameters
    ----------
    image : uint8 array of shape (height, width) or (height, width, n_channels).
    bins, levels : of each channel; a value is below its channel's levels.
    grid : cells a side, at most height, width and 256.

    Returns
    -------
    float64 array of shape (grid², prod(bins)), row by row of cells; each cell sums to 1.
    """
    # OpenCV's bin is the floor of a float, (v - low) · bins / (high - low): half a step of a bin's
    # number below zero, no v lies at a border, and the rounding of the float does not matter.
    ranges = [v for n, high in zip(bins, levels, strict=True) for v in (-0.5 / n, high - 0.5 / n)]
    images, channels, sizes = [image], list(range(len(bins))), list(bins)
    if grid > 1:
        images += _cell_numbers(*image.shape[:2], grid)
        channels = [len(bins), len(bins) + 1, *channels]
        sizes = [grid, grid, *sizes]
        ranges = [0, grid, 0, grid, *ranges]
    counts = cv2.calcHist(images, channels, None, sizes, ranges).reshape(grid * grid, -1)
    return np.asarray(counts / counts.sum(axis=1, keepdims=True, dtype=np.float64))


@lru_cache(maxsize=16)
def _cell_numbers(height_px: int, width_px: int, grid: int) -> list[NDArray[np.uint8]]:
    """Return the row and the column of each pixel's cell: uint8 of shape (height, width)."""
    rows = (np.arange(height_px) * grid // height_px).astype(np.uint8)
    columns = (np.arange(width_px) * grid // width_px).astype(np.uint8)
    return [np.repeat(rows[:, None], width_px, axis=1), np.tile(columns, (height_px, 1))]


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

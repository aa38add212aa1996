"""Colour features: joint HSV histograms on grids of cells, and the image as a few Lab pixels."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

HSV_LEVELS = (180, 256, 256)  # of OpenCV's 8-bit hue, saturation, value


def hsv_histograms(
    image: NDArray[np.uint8], *, bins: tuple[int, int, int] = (8, 4, 4), grid: int = 1
) -> NDArray[np.float32]:
    """Compute the square-rooted joint HSV histogram of each cell of a grid over an image.

    A pixel of row y belongs to row of cells y · grid // height; likewise for columns. The square
    root makes Euclidean distance between histograms the Hellinger distance.

    Parameters
    ----------
    image : uint8 array of shape (height, width, 3), BGR.
    bins : bins of equal width for hue (0-179), saturation (0-255) and value (0-255).
    grid : cells a side; at most height and width.

    Returns
    -------
    float32 array of shape (grid² · prod(bins),): row by row of cells, hue the slowest bin. The
    squares of each cell's values sum to 1.
    """
    height_px, width_px = image.shape[:2]
    n_bins = bins[0] * bins[1] * bins[2]
    rows = np.arange(height_px) * grid // height_px
    columns = np.arange(width_px) * grid // width_px
    cells = rows[:, None] * grid + columns
    places = cells * n_bins + hsv_bin_numbers(image, bins)
    counts = np.bincount(places.ravel(), minlength=grid * grid * n_bins).reshape(-1, n_bins)
    return np.sqrt(counts / counts.sum(axis=1, keepdims=True)).astype(np.float32).ravel()


def hsv_bin_numbers(image: NDArray[np.uint8], bins: tuple[int, int, int]) -> NDArray[np.intp]:
    """Number the joint HSV bin of each pixel; shape (height, width)."""
    hsv = cv2.cvtColor(image, cv2.COLOR_BGR2HSV)
    numbers = np.zeros(hsv.shape[:2], np.intp)
    for channel, (n, levels) in enumerate(zip(bins, HSV_LEVELS, strict=True)):
        numbers *= n
        numbers += (np.arange(256) * n // levels)[hsv[..., channel]]
    return numbers


def lab_pixels(image: NDArray[np.uint8], side_px: int = 8) -> NDArray[np.float32]:
    """Shrink an image to a few pixels of the Lab colour space.

    Parameters
    ----------
    image : uint8 array of shape (height, width, 3), BGR.
    side_px : side of the small image.

    Returns
    -------
    float32 array of shape (side_px² · 3,), row by row of pixels, each L, a, b in 0..1.
    """
    small = cv2.resize(image, (side_px, side_px), interpolation=cv2.INTER_AREA)
    lab = cv2.cvtColor(small, cv2.COLOR_BGR2LAB)
    return (lab.astype(np.float32) / np.float32(255)).ravel()

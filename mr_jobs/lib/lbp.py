"""Local binary patterns (T. Ojala, M. Pietikäinen and T. Mäenpää, PAMI 24(7), 2002)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mr_jobs.lib.color import cell_histograms

_NEIGHBOURS = ((0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0))  # clockwise


def _uniform_numbers() -> NDArray[np.uint8]:
    """Give a number to each pattern of at most two changes around the circle; 58 to the others."""
    numbers = np.full(256, 58, np.uint8)
    n_uniform = 0
    for pattern in range(256):
        turned = (pattern >> 1) | ((pattern & 1) << 7)
        if (pattern ^ turned).bit_count() <= 2:
            numbers[pattern] = n_uniform
            n_uniform += 1
    return numbers


_NUMBERS = _uniform_numbers()
N_PATTERNS = int(_NUMBERS.max()) + 1


def lbp_numbers(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the number of the uniform pattern of each pixel that has eight neighbours.

    A neighbour that is at least as bright as the pixel sets its bit, clockwise from the top left,
    which is the lowest bit. Patterns of more than two changes are all number 58.

    Parameters
    ----------
    grey : uint8 array of shape (height, width), each at least 3.

    Returns
    -------
    uint8 array of shape (height - 2, width - 2), values 0 to 58.
    """
    height, width = grey.shape
    middle = grey[1:-1, 1:-1]
    patterns = np.zeros(middle.shape, np.uint8)
    for bit, (row, column) in enumerate(_NEIGHBOURS):
        neighbour = grey[row : height - 2 + row, column : width - 2 + column]
        patterns |= (neighbour >= middle).astype(np.uint8) << np.uint8(bit)
    return np.asarray(_NUMBERS[patterns])


def lbp_histograms(
    grey: NDArray[np.uint8], *, grids: tuple[int, ...] = (1,)
) -> list[NDArray[np.float64]]:
    """Compute the histograms of uniform patterns of the cells of grids over an image.

    Parameters
    ----------
    grey : uint8 array of shape (height, width).
    grids : cells a side, for each grid; at most height - 2 and width - 2.

    Returns
    -------
    One float64 array of shape (grid², 59) for each grid, row by row of cells; each cell sums to 1.
    """
    numbers = lbp_numbers(grey)
    return [cell_histograms(numbers, (N_PATTERNS,), (N_PATTERNS,), grid) for grid in grids]

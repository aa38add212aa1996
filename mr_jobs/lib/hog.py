"""Histograms of oriented gradients (Dalal and Triggs, CVPR 2005), by OpenCV."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray


def hog_length(image_px: int, *, cell_px: int, block_px: int, stride_px: int, n_bins: int) -> int:
    """Count the values of the descriptor of a square image.

    >>> hog_length(128, cell_px=16, block_px=32, stride_px=16, n_bins=9)
    1764
    """
    blocks_a_side = (image_px - block_px) // stride_px + 1
    cells_a_side = block_px // cell_px
    return blocks_a_side**2 * cells_a_side**2 * n_bins


def hog(
    grey: NDArray[np.uint8],
    *,
    cell_px: int = 16,
    block_px: int = 32,
    stride_px: int = 16,
    n_bins: int = 9,
    signed: bool = False,
) -> NDArray[np.float32]:
    """Compute the HOG descriptor of a square grey image.

    Parameters
    ----------
    grey : uint8 array of shape (side, side); side − block_px is a multiple of stride_px.
    cell_px : side of a cell, one orientation histogram each; divides block_px.
    block_px : side of a block of cells, normalised together (L2, clipped at 0.2, L2 again).
    stride_px : step between blocks.
    n_bins : orientations; over 180 degrees, or over 360 when `signed`.

    Returns
    -------
    float32 array of shape (hog_length(side, …),), each value in 0..1, blocks in column order.
    """
    return np.asarray(
        _descriptor(len(grey), cell_px, block_px, stride_px, n_bins, signed).compute(grey),
        np.float32,
    ).ravel()


@lru_cache(maxsize=8)
def _descriptor(
    image_px: int, cell_px: int, block_px: int, stride_px: int, n_bins: int, signed: bool
) -> cv2.HOGDescriptor:
    # Every argument is given: defaults (gammaCorrection) differ between OpenCV versions.
    return cv2.HOGDescriptor(
        (image_px, image_px),
        (block_px, block_px),
        (stride_px, stride_px),
        (cell_px, cell_px),
        n_bins,
        1,  # derivAperture
        -1.0,  # winSigma: of the block's own size
        cv2.HOGDescriptor_L2Hys,
        0.2,  # L2HysThreshold
        True,  # gammaCorrection
        64,  # nlevels, used by detectors only
        signed,
    )

"""Histograms of oriented gradients (Dalal and Triggs, CVPR 2005), by OpenCV."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Hog:
    """The geometry of a HOG descriptor of a square grey image.

    Parameters
    ----------
    image_px : side of the image; image_px − block_px is a multiple of stride_px.
    cell_px : side of a cell, which has one histogram of orientations; divides block_px.
    block_px : side of a block of cells, normalised together (L2, clipped at 0.2, L2 again).
    stride_px : step between blocks.
    n_bins : bins of orientation; over 180 degrees, or over 360 when `signed`.
    """

    image_px: int = 128
    cell_px: int = 16
    block_px: int = 32
    stride_px: int = 16
    n_bins: int = 9
    signed: bool = False

    @property
    def n_features(self) -> int:
        """The length of the descriptor.

        >>> Hog().n_features
        1764
        """
        n_blocks = ((self.image_px - self.block_px) // self.stride_px + 1) ** 2
        n_cells = (self.block_px // self.cell_px) ** 2
        return n_blocks * n_cells * self.n_bins

    def compute(self, grey: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Compute the descriptor.

        Parameters
        ----------
        grey : uint8 array of shape (image_px, image_px).

        Returns
        -------
        float32 array of shape (n_features,), each value in 0..1: column by column of blocks, in
        each block column by column of cells, in each cell the bins.
        """
        return np.asarray(_descriptor(self).compute(grey), np.float32).ravel()


@lru_cache(maxsize=8)
def _descriptor(hog: Hog) -> cv2.HOGDescriptor:
    # Every argument is given: the default of gammaCorrection differs between OpenCV versions.
    return cv2.HOGDescriptor(
        _winSize=(hog.image_px, hog.image_px),
        _blockSize=(hog.block_px, hog.block_px),
        _blockStride=(hog.stride_px, hog.stride_px),
        _cellSize=(hog.cell_px, hog.cell_px),
        _nbins=hog.n_bins,
        _derivAperture=1,
        _winSigma=-1.0,  # of the Gaussian weight over a block: a quarter of its side
        _histogramNormType=cv2.HOGDescriptor_L2Hys,
        _L2HysThreshold=0.2,
        _gammaCorrection=True,
        _nlevels=64,  # used by detectors only
        _signedGradient=hog.signed,
    )

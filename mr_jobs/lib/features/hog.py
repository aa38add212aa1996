"""The feature `hog`: histograms of oriented gradients, the outlines of what is on an image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mr_jobs.lib.features.base import (
    NO_CODEBOOK,
    Codebook,
    Feature,
    Square,
    Vector,
    grid_regions,
)
from mr_jobs.lib.hog import Hog
from mr_jobs.lib.kernel_maps import random_fourier

MAPS = ("none", "fourier")
_SEED = 0  # of the directions of the map


@dataclass(frozen=True)
class HogFeature(Feature):
    """Histograms of oriented gradients (Dalal and Triggs, CVPR 2005).

    Parameters
    ----------
    cell_px, block_px, stride_px, n_bins, signed : as in `mr_jobs.lib.hog.Hog`.
    map : `none`, or `fourier`: `n_fourier` random Fourier features of a Gaussian kernel instead of
        the histograms, see `kernel_maps.random_fourier`; its width is the mean distance of two
        descriptors that have nothing in common, the square root of twice the number of blocks.
    """

    name = "hog"

    cell_px: int = 24
    block_px: int = 48
    stride_px: int = 48
    n_bins: int = 9
    signed: bool = False
    map: str = "none"
    n_fourier: int = 4000

    def check(self, image_px: int) -> None:
        self.check_integers(
            cell_px=(2, 1024), block_px=(2, 1024), stride_px=(1, 1024), n_bins=(2, 72)
        )
        self.check_flags("signed")
        self.check_choice("map", MAPS)
        self.check_integers(n_fourier=(1, 65_536))
        if self.block_px > image_px or self.block_px % self.cell_px:
            wanted = f"a multiple of cell_px, {self.cell_px}, that is at most image_px, {image_px}"
            raise self.error("block_px", wanted)
        if (image_px - self.block_px) % self.stride_px:
            wanted = f"a divisor of image_px - block_px, {image_px - self.block_px}"
            raise self.error("stride_px", wanted)

    def lengths(self, image_px: int) -> dict[str, int]:
        return {"hog": self.n_fourier if self.map == "fourier" else self.hog(image_px).n_features}

    def compute(self, square: Square, codebook: Codebook = NO_CODEBOOK) -> Vector:
        hog = self.hog(square.side_px)
        histograms = hog.compute(square.grey)
        if self.map == "none":
            return histograms
        n_blocks = hog.n_features / (self.block_px // self.cell_px) ** 2 / self.n_bins
        mapped = random_fourier(histograms, self.n_fourier, gamma=0.25 / n_blocks, seed=_SEED)
        return mapped * np.float32(self.n_fourier**0.5)  # mean square about 1, far above the grid

    def regions(self, image_px: int) -> NDArray[np.float32]:
        if self.map == "fourier":
            return np.repeat(grid_regions(1), self.n_fourier, axis=0)
        starts = np.arange(0, image_px - self.block_px + 1, self.stride_px)
        cells = np.arange(0, self.block_px, self.cell_px)
        # columns first, of blocks and of the cells in a block, as OpenCV has them
        block_left, block_top, left, top = np.meshgrid(starts, starts, cells, cells, indexing="ij")
        corners = np.stack([block_top + top, block_left + left], axis=-1).reshape(-1, 2)
        boxes = np.concatenate([corners, corners + self.cell_px], axis=1) / image_px
        return np.repeat(boxes, self.n_bins, axis=0).astype(np.float32)

    def hog(self, image_px: int) -> Hog:
        """Return the geometry of the descriptor of a square of `image_px`."""
        return Hog(image_px, self.cell_px, self.block_px, self.stride_px, self.n_bins, self.signed)

"""The feature `patches`: how much an image's regions resemble typical small patches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mr_jobs.lib import patches
from mr_jobs.lib.features.base import (
    NO_CODEBOOK,
    Codebook,
    LearnedFeature,
    Square,
    Vector,
    grid_regions,
    project,
)


@dataclass(frozen=True)
class Patches(LearnedFeature):
    """k-means features of whitened patches, pooled over a grid, see `mr_jobs.lib.patches`.

    Parameters
    ----------
    side_px : the image is shrunk to this side before patches are cut.
    patch_px, stride_px : side of a patch and step between patches.
    n_centroids : size of the codebook.
    coding : `triangle` or `threshold`, see `patches.code`.
    grid : the codes are averaged over the cells of a grid × grid, and the square root is taken.
    """

    name = "patches"
    LEARNER = "kmeans"

    side_px: int = 96
    patch_px: int = 6
    stride_px: int = 2
    n_centroids: int = 200
    coding: str = "threshold"
    grid: int = 3

    def check(self, image_px: int) -> None:
        self.check_integers(
            side_px=(8, image_px),
            patch_px=(2, min(32, self.side_px)),
            stride_px=(1, 64),
            n_centroids=(2, 4096),
        )
        self.check_choice("coding", patches.CODINGS)
        self.check_integers(grid=(1, (self.side_px - self.patch_px) // self.stride_px + 1))

    @property
    def n_words(self) -> int:
        return self.n_centroids

    def descriptor_length(self) -> int:
        return 3 * self.patch_px * self.patch_px

    def codebook_shapes(self) -> dict[str, tuple[int, ...]]:
        length = self.descriptor_length()
        return {
            "mean": (length,),
            "whitening": (length, length),
            "centroids": (self.n_centroids, length),
        }

    def lengths(self, image_px: int) -> dict[str, int]:
        return {"patches": self.grid * self.grid * self._n_codes()}

    def descriptors(self, square: Square) -> NDArray[np.float32]:
        return patches.normalised_patches(
            square.shrunk(self.side_px), self.patch_px, self.stride_px
        )

    def compute(self, square: Square, codebook: Codebook = NO_CODEBOOK) -> Vector:
        points = project(self.descriptors(square), codebook)
        codes = patches.code(points, codebook["centroids"], self.coding)
        return np.sqrt(patches.pool(codes, self.grid)).ravel()

    def regions(self, image_px: int) -> NDArray[np.float32]:
        return np.repeat(grid_regions(self.grid), self._n_codes(), axis=0)

    def _n_codes(self) -> int:
        return self.n_centroids * (2 if self.coding == "threshold" else 1)

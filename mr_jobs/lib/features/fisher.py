"""The feature `fisher`: how an image's local shapes differ from those of a typical image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mr_jobs.lib.features.base import (
    NO_CODEBOOK,
    Codebook,
    LearnedFeature,
    Square,
    Vector,
    is_integer,
    project,
)
from mr_jobs.lib.fisher import Mixture, fisher_vector
from mr_jobs.lib.hog import Hog

_CELLS = 4  # a descriptor has 4 × 4 cells of 8 directions, as SIFT's
_BINS = 8
_LENGTH = _CELLS * _CELLS * _BINS
_UNIFORM = np.float32(12**0.5)  # makes the variance of a place in the image about 1, as the others


@dataclass(frozen=True)
class Fisher(LearnedFeature):
    """A Fisher vector of dense shape descriptors and their places, see `mr_jobs.lib.fisher`.

    A descriptor is a block of 4 × 4 cells of 8 signed directions (HOG's block, SIFT's layout), its
    values square-rooted, whitened and cut to `n_components` by a PCA; its place in the image is
    appended (J. Sánchez, F. Perronnin and T. de Campos, Pattern Recognition Letters 33, 2012).

    Parameters
    ----------
    cells_px : sides of a cell, one for each scale.
    stride_px : step between descriptors.
    n_components : values of a descriptor after the PCA.
    n_gaussians : size of the mixture.
    """

    name = "fisher"
    LEARNER = "gmm"
    N_PLACES = 2

    cells_px: tuple[int, ...] = (8,)
    stride_px: int = 8
    n_components: int = 48
    n_gaussians: int = 32

    def check(self, image_px: int) -> None:
        largest = image_px // _CELLS
        cells = self.cells_px
        if not isinstance(cells, tuple) or not all(is_integer(c, 2, largest) for c in cells):
            raise self.error("cells_px", f"a list of integers from 2 to image_px / 4, {largest}")
        if not cells or len(set(cells)) < len(cells):
            raise self.error("cells_px", "at least one size, and each only once")
        self.check_integers(stride_px=(1, 1024), n_components=(1, _LENGTH), n_gaussians=(2, 1024))

    @property
    def n_words(self) -> int:
        return self.n_gaussians

    def descriptor_length(self) -> int:
        return _LENGTH + 2

    def codebook_shapes(self) -> dict[str, tuple[int, ...]]:
        d = self.n_components + 2
        return {
            "mean": (_LENGTH + 2,),
            "whitening": (_LENGTH + 2, d),
            "weights": (self.n_gaussians,),
            "means": (self.n_gaussians, d),
            "variances": (self.n_gaussians, d),
        }

    def lengths(self, image_px: int) -> dict[str, int]:
        return {"fisher": 2 * self.n_gaussians * (self.n_components + 2)}

    def descriptors(self, square: Square) -> NDArray[np.float32]:
        return np.concatenate([self._of_scale(square, cell_px) for cell_px in self.cells_px])

    def _of_scale(self, square: Square, cell_px: int) -> NDArray[np.float32]:
        block_px = _CELLS * cell_px
        n = (square.side_px - block_px) // self.stride_px + 1
        side_px = block_px + (n - 1) * self.stride_px  # what is left over is cut off in the corner
        hog = Hog(side_px, cell_px, block_px, self.stride_px, _BINS, signed=True)
        blocks = hog.compute(np.ascontiguousarray(square.grey[:side_px, :side_px]))
        left, top = np.divmod(np.arange(n * n), n)  # columns first
        corners = np.stack([top, left], axis=1) * self.stride_px
        places = (corners + block_px / 2) / square.side_px - 0.5
        described = np.sqrt(blocks.reshape(n * n, _LENGTH))
        return np.concatenate([described, places.astype(np.float32) * _UNIFORM], axis=1)

    def compute(self, square: Square, codebook: Codebook = NO_CODEBOOK) -> Vector:
        points = project(self.descriptors(square), codebook)
        mixture = Mixture(codebook["weights"], codebook["means"], codebook["variances"])
        return fisher_vector(points, mixture)

    def regions(self, image_px: int) -> NDArray[np.float32]:
        whole = np.array([[0, 0, 1, 1]], np.float32)  # a Gaussian's place is soft, and learned
        return np.repeat(whole, self.n_features(image_px), axis=0)

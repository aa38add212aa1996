"""The feature `lbp`: histograms of local binary patterns, the texture of what is on an image."""

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
from mr_jobs.lib.kernel_maps import HISTOGRAM_MAPS, map_histogram, mapped_length
from mr_jobs.lib.lbp import N_PATTERNS, lbp_histograms


@dataclass(frozen=True)
class Lbp(Feature):
    """Histograms of the 59 uniform local binary patterns, see `mr_jobs.lib.lbp`.

    Parameters
    ----------
    grids : one histogram for each cell of a grid × grid, for each of these grids.
    map : what becomes of a histogram whose values sum to 1, see `kernel_maps.map_histogram`.
    """

    name = "lbp"

    grids: tuple[int, ...] = (1, 2, 4)
    map: str = "sqrt"

    def check(self, image_px: int) -> None:
        self.check_grids("grids", image_px - 2)  # the border has no pattern
        self.check_choice("map", HISTOGRAM_MAPS)

    def lengths(self, image_px: int) -> dict[str, int]:
        n_values = mapped_length(N_PATTERNS, self.map)
        return {f"lbp_{grid}": grid * grid * n_values for grid in self.grids}

    def compute(self, square: Square, codebook: Codebook = NO_CODEBOOK) -> Vector:
        histograms = lbp_histograms(square.grey, grids=self.grids)
        return np.concatenate([map_histogram(h, self.map).ravel() for h in histograms])

    def regions(self, image_px: int) -> NDArray[np.float32]:
        n_values = mapped_length(N_PATTERNS, self.map)
        cells = [np.repeat(grid_regions(grid), n_values, axis=0) for grid in self.grids]
        return np.concatenate(cells)

"""The features `hsv_pyramid` and `lab_pyramid`: how much of which colour is where."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mr_jobs.lib.color import HSV, LAB, ColorSpace, color_histograms
from mr_jobs.lib.features.base import (
    NO_CODEBOOK,
    Codebook,
    Feature,
    Square,
    Vector,
    grid_regions,
)
from mr_jobs.lib.kernel_maps import HISTOGRAM_MAPS, map_histogram, mapped_length


@dataclass(frozen=True)
class ColorPyramid(Feature):
    """Joint colour histograms of the cells of grids over the image.

    Parameters
    ----------
    bins : bins of each of the three channels.
    grids : one histogram for each cell of a grid × grid, for each of these grids.
    map : what becomes of a histogram whose values sum to 1, see `kernel_maps.map_histogram`.
    """

    space: ClassVar[ColorSpace]

    bins: tuple[int, int, int] = (8, 4, 4)
    grids: tuple[int, ...] = (1, 2)
    map: str = "sqrt"

    def check(self, image_px: int) -> None:
        levels = self.space.levels
        if not isinstance(self.bins, tuple) or len(self.bins) != len(levels):
            raise self.error("bins", f"three integers, for {self.space.channels}")
        for n_bins, high in zip(self.bins, levels, strict=True):
            if not isinstance(n_bins, int) or isinstance(n_bins, bool) or not 1 <= n_bins <= high:
                raise self.error("bins", f"at most {', '.join(map(str, levels))} bins, at least 1")
        self.check_grids("grids", image_px)
        self.check_choice("map", HISTOGRAM_MAPS)

    def lengths(self, image_px: int) -> dict[str, int]:
        n_values = mapped_length(prod(self.bins), self.map)
        return {f"{self.space.name}_{grid}": grid * grid * n_values for grid in self.grids}

    def compute(self, square: Square, codebook: Codebook = NO_CODEBOOK) -> Vector:
        histograms = color_histograms(square.bgr, self.space, bins=self.bins, grids=self.grids)
        return np.concatenate([map_histogram(h, self.map).ravel() for h in histograms])

    def regions(self, image_px: int) -> NDArray[np.float32]:
        n_values = mapped_length(prod(self.bins), self.map)
        cells = [np.repeat(grid_regions(grid), n_values, axis=0) for grid in self.grids]
        return np.concatenate(cells)


class HsvPyramid(ColorPyramid):
    """Joint histograms of hue, saturation and value."""

    name = "hsv_pyramid"
    space = HSV


class LabPyramid(ColorPyramid):
    """Joint histograms of lightness and the two colour axes of CIE L*a*b*, as OpenCV has them."""

    name = "lab_pyramid"
    space = LAB

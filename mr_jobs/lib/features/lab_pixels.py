"""The feature `lab_pixels`: the image itself, as a few pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mr_jobs.lib.color import lab_pixels
from mr_jobs.lib.features.base import (
    NO_CODEBOOK,
    Codebook,
    Feature,
    Square,
    Vector,
    grid_regions,
)


@dataclass(frozen=True)
class LabPixels(Feature):
    """The image as side_px × side_px pixels of the Lab colour space, each value in 0..1.

    Parameters
    ----------
    side_px : side of the small image.
    """

    name = "lab_pixels"

    side_px: int = 8

    def check(self, image_px: int) -> None:
        self.check_integers(side_px=(1, min(128, image_px)))

    def lengths(self, image_px: int) -> dict[str, int]:
        return {"lab_pixels": self.side_px * self.side_px * 3}

    def compute(self, square: Square, codebook: Codebook = NO_CODEBOOK) -> Vector:
        return lab_pixels(square.bgr, side_px=self.side_px)

    def regions(self, image_px: int) -> NDArray[np.float32]:
        return np.repeat(grid_regions(self.side_px), 3, axis=0)

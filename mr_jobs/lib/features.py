"""All features of an image as one vector, from one decode."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mr_jobs.lib import color, hog
from mr_jobs.lib.errors import ConfigError
from mr_jobs.lib.images import MAX_IMAGE_PX, decode

FEATURES_VERSION = 1  # raised with every change of code that changes a vector


@dataclass(frozen=True)
class FeatureSpec:
    """The parameters of a feature vector: HOG, square-rooted HSV histograms, Lab pixels.

    Parameters
    ----------
    image_px : an image is resized to a square of this side.
    hog_cell_px, hog_block_px, hog_stride_px, hog_bins, hog_signed : see `hog.hog`.
    hsv_bins : bins of hue, saturation and value.
    hsv_grids : one histogram for each cell of a grid × grid, for each grid.
    lab_px : side of the image as Lab pixels; 0 leaves them out.
    max_image_px : images that claim more pixels are refused.

    Raises
    ------
    ConfigError
        A value that does not fit; the sentence names it.
    """

    image_px: int = 128
    hog_cell_px: int = 16
    hog_block_px: int = 32
    hog_stride_px: int = 16
    hog_bins: int = 9
    hog_signed: bool = False
    hsv_bins: tuple[int, int, int] = (8, 4, 4)
    hsv_grids: tuple[int, ...] = (1, 2, 4)
    lab_px: int = 8
    max_image_px: int = MAX_IMAGE_PX

    @property
    def n_features(self) -> int:
        """The length of a vector."""
        return max(part.stop for part in self.slices().values())

    def slices(self) -> dict[str, slice]:
        """Name the parts of a vector: `hog`, `hsv_<grid>` for each grid, `lab`."""
        lengths = {
            "hog": hog.hog_length(
                self.image_px,
                cell_px=self.hog_cell_px,
                block_px=self.hog_block_px,
                stride_px=self.hog_stride_px,
                n_bins=self.hog_bins,
            )
        }
        n_bins = self.hsv_bins[0] * self.hsv_bins[1] * self.hsv_bins[2]
        lengths |= {f"hsv_{grid}": grid * grid * n_bins for grid in self.hsv_grids}
        if self.lab_px:
            lengths["lab"] = self.lab_px * self.lab_px * 3
        parts, start = {}, 0
        for name, length in lengths.items():
            parts[name] = slice(start, start + length)
            start += length
        return parts

    def extract(self, encoded: bytes) -> NDArray[np.float32]:
        """Compute the vector of an encoded image.

        Returns
        -------
        float32 array of shape (n_features,), finite, the same bytes on every call.

        Raises
        ------
        ImageError
            As `images.decode`.
        """
        return self.from_image(decode(encoded, max_image_px=self.max_image_px))

    def from_image(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Compute the vector of a uint8 image of shape (height, width, 3), BGR, as `extract`."""
        square = np.asarray(
            cv2.resize(image, (self.image_px, self.image_px), interpolation=cv2.INTER_AREA),
            np.uint8,
        )
        parts = [
            hog.hog(
                np.asarray(cv2.cvtColor(square, cv2.COLOR_BGR2GRAY), np.uint8),
                cell_px=self.hog_cell_px,
                block_px=self.hog_block_px,
                stride_px=self.hog_stride_px,
                n_bins=self.hog_bins,
                signed=self.hog_signed,
            )
        ]
        parts += [
            color.hsv_histograms(square, bins=self.hsv_bins, grid=grid) for grid in self.hsv_grids
        ]
        if self.lab_px:
            parts.append(color.lab_pixels(square, self.lab_px))
        return np.concatenate(parts)

    def to_dict(self) -> dict[str, Any]:
        """Return the parameters as plain JSON values."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> FeatureSpec:
        """Build a spec from `to_dict`'s or pipeline.toml's values; what is missing is default."""
        known = [field.name for field in fields(cls)]
        if unknown := sorted(set(values) - set(known)):
            raise ConfigError(
                f"features: unknown parameter {', '.join(unknown)}; known: {', '.join(known)}"
            )
        return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})

    def fingerprint(self) -> str:
        """Return 16 hex digits that change with whatever may change a vector's bytes."""
        version = ".".join(cv2.__version__.split(".")[:2])
        facts = {"features": FEATURES_VERSION, "cv2": version, **self.to_dict()}
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]

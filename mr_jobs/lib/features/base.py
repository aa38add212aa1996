"""What a feature is: a part of the vector with a name, parameters, and a way to compute it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from typing import Any, ClassVar, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from mr_jobs.lib.errors import ConfigError

Vector = NDArray[np.float32]
Codebook = Mapping[str, NDArray[np.float32]]
NO_CODEBOOK: Codebook = {}


class Square:
    """An image resized to a square, in the colour spaces that features ask for, each made once.

    Parameters
    ----------
    image : uint8 array of shape (height, width, 3), BGR.
    side_px : side of the square; each of its pixels is the mean of the area that it covers.

    Attributes
    ----------
    bgr : uint8 array of shape (side_px, side_px, 3).
    """

    def __init__(self, image: NDArray[np.uint8], side_px: int) -> None:
        self.side_px = side_px
        self.bgr = self._resized(image, side_px)

    @cached_property
    def grey(self) -> NDArray[np.uint8]:
        """The luma of the pixels: uint8 array of shape (side_px, side_px)."""
        return np.asarray(cv2.cvtColor(self.bgr, cv2.COLOR_BGR2GRAY), np.uint8)

    def shrunk(self, side_px: int) -> NDArray[np.uint8]:
        """Return a smaller square: uint8 array of shape (side_px, side_px, 3), BGR."""
        return self.bgr if side_px == self.side_px else self._resized(self.bgr, side_px)

    @staticmethod
    def _resized(image: NDArray[np.uint8], side_px: int) -> NDArray[np.uint8]:
        square = cv2.resize(image, (side_px, side_px), interpolation=cv2.INTER_AREA)
        return np.asarray(square, np.uint8)


@dataclass(frozen=True)
class Feature(ABC):
    """One feature with its parameters, which are the fields of the (frozen) dataclass.

    A subclass says its `name`, which is how pipeline.toml calls it, and its `VERSION`, which is
    raised with every change of code that changes a value.
    """

    name: ClassVar[str]
    VERSION: ClassVar[int] = 1

    @abstractmethod
    def check(self, image_px: int) -> None:
        """Raise a ConfigError if a parameter does not fit a square of `image_px`."""

    @abstractmethod
    def lengths(self, image_px: int) -> dict[str, int]:
        """Return the lengths of the feature's pieces by their names, in order."""

    @abstractmethod
    def compute(self, square: Square, codebook: Codebook = NO_CODEBOOK) -> Vector:
        """Compute the feature: float32 of shape (n_features,), finite."""

    @abstractmethod
    def regions(self, image_px: int) -> NDArray[np.float32]:
        """Return which part of the image each value describes.

        Returns
        -------
        float32 array of shape (n_features, 4): top, left, bottom and right, as shares of the side.
        """

    def n_features(self, image_px: int) -> int:
        """Return the number of values."""
        return sum(self.lengths(image_px).values())

    def to_dict(self) -> dict[str, Any]:
        """Return the parameters as plain JSON values."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build a feature from `to_dict`'s or pipeline.toml's values; what is missing is default.

        Raises
        ------
        ConfigError
            If a key is unknown.
        """
        known = [field.name for field in fields(cls)]
        if unknown := sorted(set(values) - set(known)):
            raise ConfigError(
                f"features: {cls.name} has no parameter {', '.join(unknown)}; known: "
                f"{', '.join(known) or 'none'}"
            )
        return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})

    def error(self, parameter: str, wanted: str) -> ConfigError:
        """Return the error that says what a parameter is and has to be."""
        value = getattr(self, parameter)
        shown = list(value) if isinstance(value, tuple) else value
        return ConfigError(f"features: {self.name}.{parameter} is {shown!r}; use {wanted}")

    def check_integers(self, **ranges: tuple[int, int]) -> None:
        """Raise a ConfigError unless these parameters are integers from … to …."""
        for parameter, (low, high) in ranges.items():
            if not is_integer(getattr(self, parameter), low, high):
                raise self.error(parameter, f"an integer from {low} to {high}")

    def check_flags(self, *parameters: str) -> None:
        """Raise a ConfigError unless these parameters are true or false."""
        for parameter in parameters:
            if not isinstance(getattr(self, parameter), bool):
                raise self.error(parameter, "true or false")

    def check_numbers(self, **ranges: tuple[float, float]) -> None:
        """Raise a ConfigError unless these parameters are numbers from … to …."""
        for parameter, (low, high) in ranges.items():
            value = getattr(self, parameter)
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise self.error(parameter, f"a number from {low:g} to {high:g}")
            if not low <= value <= high:
                raise self.error(parameter, f"a number from {low:g} to {high:g}")

    def check_choice(self, parameter: str, choices: tuple[str, ...]) -> None:
        """Raise a ConfigError unless a parameter is one of these words."""
        if getattr(self, parameter) not in choices:
            raise self.error(parameter, f"one of {', '.join(choices)}")

    def check_grids(self, parameter: str, high: int) -> None:
        """Raise a ConfigError unless a parameter is a list of different integers from 1."""
        grids = getattr(self, parameter)
        if not isinstance(grids, tuple) or not all(is_integer(g, 1, high) for g in grids):
            raise self.error(parameter, f"a list of integers from 1 to {high}")
        if len(set(grids)) < len(grids) or not grids:
            raise self.error(parameter, "at least one grid, and each only once")


@dataclass(frozen=True)
class LearnedFeature(Feature):
    """A feature with a codebook, learned from descriptors of training images by MapReduce jobs."""

    LEARNER: ClassVar[str]  # kmeans or gmm, see models.codebook_learning
    N_PLACES: ClassVar[int] = 0  # last values of a descriptor that whitening leaves as they are

    @property
    @abstractmethod
    def n_words(self) -> int:
        """The number of centroids or Gaussians."""

    @abstractmethod
    def descriptor_length(self) -> int:
        """Return the number of values of one local descriptor."""

    @abstractmethod
    def codebook_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the codebook's arrays, by name."""

    @abstractmethod
    def descriptors(self, square: Square) -> NDArray[np.float32]:
        """Return all local descriptors of an image: float32 of shape (n, descriptor_length)."""


def is_integer(value: object, low: int, high: int) -> bool:
    """Say whether a value is an integer (not true or false) from `low` to `high`."""
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def grid_regions(grid: int) -> NDArray[np.float32]:
    """Return the cells of a grid × grid, row by row: float32 of shape (grid², 4), see `regions`."""
    row, column = np.divmod(np.arange(grid * grid), grid)
    return (np.stack([row, column, row + 1, column + 1], axis=1) / grid).astype(np.float32)


def project(descriptors: NDArray[np.float32], codebook: Codebook) -> NDArray[np.float32]:
    """Whiten descriptors: float32 of shape (n, d) for `mean` (d₀,) and `whitening` (d₀, d)."""
    return np.asarray((descriptors - codebook["mean"]) @ codebook["whitening"], np.float32)

"""All features of an image as one vector, from one decode."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mr_jobs.lib.codebooks import NO_CODEBOOKS, Codebooks
from mr_jobs.lib.errors import ConfigError
from mr_jobs.lib.features.base import (
    NO_CODEBOOK,
    Feature,
    LearnedFeature,
    Square,
    Vector,
    is_integer,
)
from mr_jobs.lib.features.registry import FEATURES
from mr_jobs.lib.images import MAX_IMAGE_PX, probe
from mr_jobs.lib.repair import DECODING_VERSION, DEFAULTS, RepairSettings, decode_repaired

VECTOR_VERSION = 3  # raised with every change of how the features become one vector
OPENCV_VERSION = ".".join(cv2.__version__.split(".")[:2])
MAX_FEATURES = 65_536  # a vector this long is already far beyond what a linear model is fitted to
GRID = np.float32(4096)  # a vector's values are multiples of 1 / 4096
DEFAULT_FEATURES = ("hog", "hsv_pyramid", "lab_pixels", "lbp", "fisher")


@dataclass(frozen=True)
class FeatureSpec:
    """What a feature vector is made of: the table [features] of pipeline.toml.

    Parameters
    ----------
    features : names of the features, in the order of their parts of the vector.
    image_px : an image is resized to a square of this side, which all features see.
    max_image_px : images that claim more pixels are refused.
    parameters : the parameters of features, by feature, where they differ from the defaults.
    repair : what is done with images that are not plain and whole.

    Raises
    ------
    ConfigError
        If a value does not fit; the sentence names it.
    """

    features: tuple[str, ...] = DEFAULT_FEATURES
    image_px: int = 144
    max_image_px: int = MAX_IMAGE_PX
    parameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    repair: RepairSettings = DEFAULTS

    def __post_init__(self) -> None:
        _check_integer("image_px", self.image_px, 8, 1024)
        _check_integer("max_image_px", self.max_image_px, 1, 2**30)  # OpenCV's own limit
        names = self.features
        if not isinstance(names, tuple) or not names or len(set(names)) < len(names):
            raise ConfigError(
                "features: `features` is a list of at least one name, and each only once, not "
                f"{list(names) if isinstance(names, tuple) else names!r}"
            )
        for name in (*names, *self.parameters):
            if name not in FEATURES:
                raise ConfigError(
                    f"features: no feature is called {name!r}; known: {', '.join(FEATURES)}"
                )
        made = {
            name: FEATURES[name].from_dict(self.parameters.get(name, {}))
            for name in (*names, *(name for name in self.parameters if name not in names))
        }
        for feature in made.values():
            feature.check(self.image_px)
        object.__setattr__(self, "_made", tuple(made[name] for name in names))
        if self.n_features > MAX_FEATURES:
            raise ConfigError(
                f"features: a vector would have {self.n_features:,} values; use fewer bins, cells "
                f"or pixels for at most {MAX_FEATURES:,}"
            )

    def made(self) -> tuple[Feature, ...]:
        """Return the features with their parameters, in the order of the vector."""
        features: tuple[Feature, ...] = self.__dict__["_made"]
        return features

    def learned(self) -> dict[str, LearnedFeature]:
        """Return the features that need a codebook, by name."""
        return {f.name: f for f in self.made() if isinstance(f, LearnedFeature)}

    @property
    def n_features(self) -> int:
        """The length of a vector."""
        return sum(feature.n_features(self.image_px) for feature in self.made())

    def slices(self) -> dict[str, slice]:
        """Return where each piece is in a vector: `hog`, `hsv_1`, `hsv_2`, and so on."""
        return _slices(n for f in self.made() for n in f.lengths(self.image_px).items())

    def parts(self) -> dict[str, slice]:
        """Return where each feature is in a vector, by its name."""
        return _slices((f.name, f.n_features(self.image_px)) for f in self.made())

    def regions(self) -> NDArray[np.float32]:
        """Return which part of the image each value describes, see `Feature.regions`."""
        return np.concatenate([feature.regions(self.image_px) for feature in self.made()])

    def extract(self, encoded: bytes, codebooks: Codebooks = NO_CODEBOOKS) -> Vector:
        """Compute the vector of an encoded image.

        A large JPEG is decoded at a fraction of its size, still at least image_px on its shorter
        side, which saves a quarter of the time on photographs and most of the memory of large
        ones. How near that comes to a full decode: docs/decisions/2026-11-23-scaled-decode.md.

        Parameters
        ----------
        encoded : the image file.
        codebooks : of the learned features, checked with `require`.

        Returns
        -------
        float32 array of shape (n_features,), see `from_image`, the same bytes on every call.

        Raises
        ------
        ImageError
            As `repair.decode_repaired`.
        """
        return self.from_image(self.decode(encoded), codebooks)

    def decode(self, encoded: bytes) -> NDArray[np.uint8]:
        """Decode an image as `extract` does: uint8 of shape (height, width, 3), BGR, upright."""
        return decode_repaired(
            encoded,
            probe(encoded),
            self.repair,
            max_image_px=self.max_image_px,
            min_side_px=self.image_px,
        ).image

    def from_image(self, image: NDArray[np.uint8], codebooks: Codebooks = NO_CODEBOOKS) -> Vector:
        """Compute the vector of a decoded image, uint8 of shape (height, width, 3), BGR.

        Returns
        -------
        float32 array of shape (n_features,), finite, rounded to multiples of 1 / 4096: sums of
        products of such numbers are exact in float64, so that a model does not depend on the order
        and number of the tasks that added them up.
        """
        square = Square(image, self.image_px)
        parts = [f.compute(square, codebooks.get(f.name, NO_CODEBOOK)) for f in self.made()]
        vector = np.concatenate(parts)
        vector *= GRID
        return np.divide(np.rint(vector, out=vector), GRID, out=vector)

    def require(self, codebooks: Codebooks) -> None:
        """Raise a DataError unless the codebooks are those of the learned features."""
        codebooks.check(self.codebook_facts(), self.learned())

    def codebook_facts(self) -> dict[str, Any]:
        """Return what a codebook depends on besides the images, as JSON values."""
        return {
            "image_px": self.image_px,
            "decoding": self.decoding(),
            "features": {
                name: {"version": f.VERSION, **f.to_dict()} for name, f in self.learned().items()
            },
        }

    def to_dict(self) -> dict[str, Any]:
        """Return all parameters, also those with their defaults, as plain JSON values."""
        return {
            "features": list(self.features),
            "image_px": self.image_px,
            "max_image_px": self.max_image_px,
            **{feature.name: feature.to_dict() for feature in self.made()},
            "repair": self.repair.to_dict(),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> FeatureSpec:
        """Build a spec from `to_dict`'s or pipeline.toml's values; what is missing is default.

        Raises
        ------
        ConfigError
            If a key is unknown or a value does not fit.
        """
        plain = ("features", "image_px", "max_image_px")
        known = (*plain, "repair", *FEATURES)
        if unknown := sorted(set(values) - set(known)):
            raise ConfigError(
                f"features: no parameter or feature is called {', '.join(unknown)}; known: "
                f"{', '.join(known)}"
            )
        given: dict[str, Any] = {key: values[key] for key in plain if key in values}
        if isinstance(given.get("features"), list):
            given["features"] = tuple(given["features"])
        parameters = {name: values[name] for name in FEATURES if name in values}
        for name, table in parameters.items():
            if not isinstance(table, Mapping):
                raise ConfigError(f"features: {name} is a table of parameters, not {table!r}")
        if "repair" in values:
            given["repair"] = RepairSettings.from_dict(values["repair"])
        return cls(parameters=parameters, **given)

    def __eq__(self, other: object) -> bool:
        """Say whether both make the same vectors."""
        return isinstance(other, FeatureSpec) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash(json.dumps(self.to_dict(), sort_keys=True))

    def decoding(self) -> dict[str, Any]:
        """Return what decides which images can be used and what they look like, as JSON values."""
        return {
            "decoding": DECODING_VERSION,
            "opencv": OPENCV_VERSION,
            "max_image_px": self.max_image_px,
            "repair": self.repair.to_dict(),
        }

    def fingerprint(self, codebooks: Codebooks = NO_CODEBOOKS) -> str:
        """Return 16 hex digits that change with all that may change the bytes of a vector."""
        facts = {
            "vector": VECTOR_VERSION,
            "versions": {feature.name: feature.VERSION for feature in self.made()},
            "opencv": OPENCV_VERSION,
            "codebooks": codebooks.digest(),
            **self.to_dict(),
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def _slices(lengths: Any) -> dict[str, slice]:  # noqa: ANN401  # pairs of name and length
    parts: dict[str, slice] = {}
    start = 0
    for name, length in lengths:
        parts[name] = slice(start, start + length)
        start += length
    return parts


def _check_integer(name: str, value: object, low: int, high: int) -> None:
    if not is_integer(value, low, high):
        raise ConfigError(f"features: {name} is {value!r}; use an integer from {low} to {high}")

"""Whoever adds a feature writes one class and one line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from mr_jobs.lib.features import FeatureSpec
from mr_jobs.lib.features.base import (
    NO_CODEBOOK,
    Codebook,
    Feature,
    Square,
    Vector,
    grid_regions,
)
from mr_jobs.lib.features.registry import FEATURES

MakeImage = Callable[..., bytes]


@dataclass(frozen=True)
class MeanColour(Feature):
    """A feature of one file, for the test below."""

    name = "mean_colour"

    def check(self, image_px: int) -> None:
        pass

    def lengths(self, image_px: int) -> dict[str, int]:
        return {"mean_colour": 3}

    def compute(self, square: Square, codebook: Codebook = NO_CODEBOOK) -> Vector:
        return np.asarray(square.bgr.mean(axis=(0, 1)) / 255, np.float32)

    def regions(self, image_px: int) -> NDArray[np.float32]:
        return np.repeat(grid_regions(1), 3, axis=0)


def test_a_new_feature_is_one_class_and_one_line(
    jpeg: MakeImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FEATURES, MeanColour.name, MeanColour)

    spec = FeatureSpec.from_dict({"features": ["lab_pixels", "mean_colour"]})

    assert list(spec.parts()) == ["lab_pixels", "mean_colour"]
    assert spec.extract(jpeg()).shape == (spec.n_features,) == (8 * 8 * 3 + 3,)
    assert spec.fingerprint() != FeatureSpec(features=("lab_pixels",)).fingerprint()

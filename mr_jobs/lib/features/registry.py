"""The features there are, by the names that pipeline.toml knows: a new one is one line here."""

from __future__ import annotations

from mr_jobs.lib.features.base import Feature
from mr_jobs.lib.features.color_pyramids import HsvPyramid, LabPyramid
from mr_jobs.lib.features.fisher import Fisher
from mr_jobs.lib.features.hog import HogFeature
from mr_jobs.lib.features.lab_pixels import LabPixels
from mr_jobs.lib.features.lbp import Lbp
from mr_jobs.lib.features.patches import Patches

_CLASSES: tuple[type[Feature], ...] = (
    HogFeature,
    HsvPyramid,
    LabPyramid,
    LabPixels,
    Lbp,
    Patches,
    Fisher,
)
FEATURES: dict[str, type[Feature]] = {feature.name: feature for feature in _CLASSES}

"""Saved runs of small models that tell colours apart, for the tests of what uses a model."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from models.artifact import Run, save
from models.dataset import Pair
from models.metrics import build_metrics
from models.train import Fit
from mr_jobs.lib.codebooks import NO_CODEBOOKS, Codebooks
from mr_jobs.lib.features import FeatureSpec
from mr_jobs.lib.imagenet import ImageKey
from tests.models.scored import fitted, scored

PLAIN = FeatureSpec(
    features=("hog", "hsv_pyramid", "lab_pixels"), parameters={"lab_pixels": {"side_px": 4}}
)
LEARNED = FeatureSpec(
    features=("hsv_pyramid", "patches", "fisher"),
    image_px=48,
    parameters={
        "hsv_pyramid": {"grids": [1, 2]},
        "patches": {"side_px": 24, "patch_px": 4, "n_centroids": 6},
        "fisher": {"cells_px": [4], "n_components": 5, "n_gaussians": 3},
    },
)
COLOURS = {"n01": (200, 60, 40), "n02": (40, 190, 60), "n03": (50, 40, 210)}
WORDS = {"n01": "blue thing", "n02": "green thing", "n03": "red thing"}

_TEMPERATURE = 1000.0


def encode(wnid: str, number: int) -> bytes:
    """Make an image of a class: its colour, with some noise in a place that depends on `number`."""
    random = np.random.default_rng(number)
    image: NDArray[np.uint8] = np.full((90, 120, 3), COLOURS[wnid], np.uint8)
    image[20:50, 10 + number : 60] = random.integers(0, 255, (30, 50 - number, 3), np.uint8)
    return cv2.imencode(".jpg", image)[1].tobytes()


def codebooks_of(spec: FeatureSpec, seed: int = 0) -> Codebooks:
    """Make codebooks of random numbers."""
    random = np.random.default_rng(seed)
    arrays = {
        name: {
            key: (0.1 + random.random(shape)).astype(np.float32)
            for key, shape in feature.codebook_shapes().items()
        }
        for name, feature in spec.learned().items()
    }
    return Codebooks(arrays, spec.codebook_facts()) if arrays else NO_CODEBOOKS


def save_model(
    folder: Path, kind: str = "lda", spec: FeatureSpec = PLAIN, n_classes: int = 3
) -> Path:
    """Fit a model to ten images a class, and save a run of it with four validation images each."""
    codebooks = codebooks_of(spec)

    def pairs(split: str, numbers: range) -> list[Pair]:
        return [
            (
                ImageKey(split, wnid, f"{wnid}_{number}.JPEG"),
                spec.extract(encode(wnid, number), codebooks),
            )
            for number in numbers
            for wnid in list(COLOURS)[:n_classes]
        ]

    train, val = pairs("train", range(10)), pairs("val", range(10, 14))
    made = _sgd(train) if kind == "sgd" else fitted(train, kind)
    if kind == "lda":  # as models are calibrated, so that scores are not all 0 and 1
        made.estimator[-1].coef_ /= _TEMPERATURE
        made.estimator[-1].intercept_ /= _TEMPERATURE
    result, rows = scored(made.estimator, val, folder / "val.tsv")
    metrics = build_metrics({"run_id": kind, "steps": []}, made, result)
    run = Run(
        made, spec, metrics, result, None, WORDS, None, {}, {}, "", {"val": rows}, codebooks
    )  # fmt: skip
    save(folder / kind, run)
    return folder / kind


def _sgd(pairs: list[Pair]) -> Fit:
    keys, vectors = zip(*pairs, strict=True)
    X = np.stack(vectors).astype(np.float64)
    classifier = SGDClassifier(loss="log_loss", random_state=0)
    estimator = make_pipeline(StandardScaler(), classifier).fit(X, [key.wnid for key in keys])
    return Fit(estimator, len(X), X.shape[1], {"kind": "sgd"})

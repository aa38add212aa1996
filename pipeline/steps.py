"""The steps of a run, in order."""

from __future__ import annotations

from pipeline.data_steps import BUNDLE, CATALOG, FEATURES, INGEST
from pipeline.index_step import INDEX
from pipeline.model_steps import EVALUATE, SAVE, TRAIN
from pipeline.split_steps import GROUP, SPLIT
from pipeline.step import Step

_ORDER = (INGEST, BUNDLE, CATALOG, GROUP, FEATURES, SPLIT, TRAIN, EVALUATE, INDEX, SAVE)
STEPS: dict[str, Step] = {step.name: step for step in _ORDER}

IMAGE_STEPS = tuple(name for name, step in STEPS.items() if step.place == "images")

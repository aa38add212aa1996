"""The steps of a run, in order."""

from __future__ import annotations

from pipeline.data_steps import BUNDLE, CATALOG, FEATURES, INGEST
from pipeline.evaluate_step import EVALUATE
from pipeline.index_step import INDEX
from pipeline.save_step import SAVE
from pipeline.split_steps import GROUP, SPLIT
from pipeline.step import Step
from pipeline.train_step import TRAIN

_ORDER = (INGEST, BUNDLE, CATALOG, GROUP, FEATURES, SPLIT, TRAIN, EVALUATE, INDEX, SAVE)
STEPS: dict[str, Step] = {step.name: step for step in _ORDER}

IMAGE_STEPS = tuple(name for name, step in STEPS.items() if step.place == "images")

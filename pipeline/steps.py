"""The steps of a run, in order."""

from __future__ import annotations

from pipeline.codebook_step import CODEBOOK
from pipeline.data_steps import BUNDLE, CATALOG, INGEST
from pipeline.evaluate_step import EVALUATE
from pipeline.features_step import FEATURES
from pipeline.group_step import GROUP
from pipeline.index_step import INDEX
from pipeline.save_step import SAVE
from pipeline.split_step import SPLIT
from pipeline.step import Step
from pipeline.train_step import TRAIN

_ORDER = (INGEST, BUNDLE, CATALOG, GROUP, CODEBOOK, FEATURES, SPLIT, TRAIN, EVALUATE, INDEX, SAVE)
STEPS: dict[str, Step] = {step.name: step for step in _ORDER}

IMAGE_STEPS = tuple(name for name, step in STEPS.items() if step.place == "images")

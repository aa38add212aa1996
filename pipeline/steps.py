"""The steps of a run, in order."""

from __future__ import annotations

from pipeline.data_steps import BUNDLE, CATALOG, FEATURES, INGEST, SPLIT
from pipeline.model_steps import EVALUATE, SAVE, TRAIN
from pipeline.step import Step

STEPS: dict[str, Step] = {
    step.name: step for step in (INGEST, BUNDLE, CATALOG, FEATURES, SPLIT, TRAIN, EVALUATE, SAVE)
}

"""A kept run on this machine, and trainers in processes that find it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.trainers import work

# As the fixture `own_var`, for the process of a trainer, which has trainers of its own, too.
CHILD = """
import os, sys, time
from pathlib import Path
from models.predictions import Prediction
from mr_jobs.lib.errors import DataError
from pipeline import images, runs, save_step
from pipeline.trainers import registry
from pipeline.trainers.__main__ import main
from pipeline.trainers.base import Outcome, Trainer

var = Path({var!r})
runs.RUNS, save_step.SAVED = var / "runs", var / "saved"
images.LOCAL, images.CACHE, images.VAR = var / "images", var / "cache", var

def first(task):
    ballast = b"x" * (300 << 20)
    best = tuple((wnid, 1.0) for wnid in task.classes[: task.top_k])
    found = [Prediction(key.image, best) for key, _ in task.records("val")]
    n_train = sum(1 for _ in task.records("train"))
    with task.timed("train"):
        until = time.monotonic() + 2  # several looks at the memory
        while time.monotonic() < until:
            sum(range(10_000))
        (task.folder / "model.txt").write_text(task.classes[0])
    return Outcome(found[::-1], n_train, 3, {{"ballast": len(ballast)}}, {{}}, ["is a test"])

def failing(task):
    raise DataError("the moon is not full")

def dying(task):
    os._exit(7)

def lazy(task):
    return Outcome([], task.n_train, 3, {{}}, {{}})

for name, run in (("first", first), ("failing", failing), ("dying", dying), ("lazy", lazy)):
    registry.TRAINERS[name] = Trainer(name, "of a test", None, run)
sys.exit(main(*sys.argv[1:]))
"""


@pytest.fixture
def kept_run(
    cli: Any,
    own_var: Path,
    folder_data: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """Make a run `r1` whose shards are there; return the directory of its results."""
    script = tmp_path / "child.py"
    script.write_text(CHILD.format(var=str(own_var)))
    monkeypatch.setattr(work, "CHILD", (sys.executable, str(script)))
    made = cli(*("full", "--data", folder_data(), "--runner", "inline", "--run-id", "r1", "--keep"))
    assert made.code == 0, made.err
    return own_var / "saved" / "r1"

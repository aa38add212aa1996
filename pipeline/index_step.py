"""The step that makes a run's predictions and its images' index agree with what was done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import joblib

from pipeline import index
from pipeline.evaluate_step import EVALUATE
from pipeline.images import Images
from pipeline.progress import Progress
from pipeline.step import Context, Step

if TYPE_CHECKING:
    from models.evaluate import Evaluation


def _index(context: Context, progress: Progress) -> dict[str, Any]:
    from pipeline.index.predictions import prediction_rows  # imports scikit-learn

    evaluations: dict[str, Evaluation] = joblib.load(
        context.run.dir / EVALUATE.makes / "evaluations.joblib"  # this run wrote it
    )
    folder = f"predictions/run_id={context.run.run_id}"
    context.images.store.delete(folder)
    for split, evaluation in evaluations.items():
        if evaluation.predictions:
            lines = (line.encode() for line in prediction_rows(evaluation, split))
            context.images.store.write(f"{folder}/{split}.tsv", lines)
    return index.load(context.images, None, progress)


def refresh(images: Images) -> dict[str, Any] | None:
    """Fill the index anew and check it, unless nothing changed since."""
    with index.engine_of(images, None) as engine:
        if engine.is_fresh():
            return None
    with Progress("index") as progress:
        loaded = index.load(images, None, progress)
        rows = ", ".join(f"{n} {table}" for table, n in sorted(loaded["tables"].items()))
        progress.note(f"done in {progress.seconds:.1f} s: {rows}; {loaded['checks']} checks passed")
    return loaded


INDEX = Step(
    "index",
    "fill the index with the images and the predictions, and check it",
    "index",
    (EVALUATE,),
    lambda context: context.ledger().fingerprint(),
    _index,
    place="run",
)

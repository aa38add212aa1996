"""The trainer `sklearn`: the project's own, from sums that jobs over the shards add up."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

from models.predictions import Prediction, read_predictions
from pipeline.evaluate_step import EVALUATE, read_output, rows_file, score_shards
from pipeline.split_step import SPLIT
from pipeline.step import counts_of
from pipeline.train_step import fit_run
from pipeline.trainers.base import PREDICT, TRAIN, Outcome, Task, Trainer

if TYPE_CHECKING:
    from models.train import Fit

_PACKAGES = ("numpy", "scipy", "scikit-learn")


def _run(task: Task) -> Outcome:
    import joblib

    from mr_jobs.model_file import MODEL_ARRAYS, to_bytes

    with task.timed(TRAIN):
        made = fit_run(task.context, task.progress)
        joblib.dump(made.estimator, task.folder / "model.joblib", compress=1)
        (task.folder / MODEL_ARRAYS).write_bytes(to_bytes(made.estimator))
    with task.timed(PREDICT):
        predictions = _predict(task, made)
    versions = {package: version(package) for package in _PACKAGES}
    return Outcome(
        predictions, made.n_images, made.n_features, made.hyper_parameters, versions, made.warnings
    )


def _predict(task: Task, made: Fit) -> list[Prediction]:
    """Score the shards by the job that evaluates a run."""
    context = task.context
    counts = counts_of(SPLIT, context)
    score_shards(context, task.progress, made, None, counts)
    scratch = task.folder / "scratch"
    read_output(context.store, EVALUATE.makes, scratch, {"val": 0, "test": 0})
    context.store.delete(EVALUATE.makes)
    predictions = list(read_predictions(rows_file(scratch, "val")))
    for path in scratch.iterdir():
        path.unlink()
    scratch.rmdir()
    return predictions


SKLEARN = Trainer("sklearn", "ours: LDA, ridge or SGD, by jobs over the shards", None, _run)

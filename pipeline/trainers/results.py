"""The results of trainers: models/saved/<run_id>/trainers/<name>/, written whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from models.predictions import Prediction
from mr_jobs.lib.errors import DataError, JobError
from mr_jobs.lib.imagenet import UNLABELLED
from mr_jobs.lib.plain_files import parse_json, read_plain
from pipeline.split_step import SPLIT
from pipeline.step import Context, manifest_of
from pipeline.trainers.base import Outcome, Task

FOLDER, RESULT, PREDICTIONS = "trainers", "result.json", "predictions.tsv"
_MAX_JSON_BYTES = 16 << 20


def results_dir(run_dir: Path) -> Path:
    """Return the directory of all trainers' results of a saved run."""
    return run_dir / FOLDER


def write(task: Task, outcome: Outcome) -> None:
    """Check what a trainer came to, and write its tables to the task's folder.

    Raises
    ------
    JobError
        It was not trained on all train images, or did not predict every val image once.
    """
    _require_all(task, outcome)
    from models.report import prediction_lines

    n_best = min(task.top_k, len(task.classes))
    ordered = sorted(outcome.predictions, key=lambda each: (each.key.file_name, str(each.key)))
    with (task.folder / PREDICTIONS).open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{line}\n" for line in prediction_lines(ordered, n_best))
    facts = {
        "trainer": task.name,
        "run_id": task.context.run.run_id,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "shards": shards_of(task.context),
        "top_k": task.top_k,
        **errors_of(ordered, task.top_k),
        "n_train_images": outcome.n_train_images,
        "n_classes": len(task.classes),
        "n_features": outcome.n_features,
        "seconds": task.seconds,
        "versions": outcome.versions,
        "parameters": outcome.parameters,
        "warnings": outcome.warnings,
    }
    write_result(task.folder, facts)


def write_result(folder: Path, facts: dict[str, Any]) -> None:
    """Write result.json."""
    text = json.dumps(facts, indent=2, ensure_ascii=False, allow_nan=False)
    (folder / RESULT).write_text(f"{text}\n", encoding="utf-8")


def _require_all(task: Task, outcome: Outcome) -> None:
    keys = {str(each.key) for each in outcome.predictions}
    short = min(task.top_k, len(task.classes))
    for what, found, wanted in (
        ("trained on {} images", outcome.n_train_images, task.n_train),
        ("predicted {} validation images", len(keys), task.n_val),
        ("gave {} predictions", len(outcome.predictions), task.n_val),
        (
            "gave {} best classes to each image",
            min((len(each.best) for each in outcome.predictions), default=short),
            short,
        ),
    ):
        if found != wanted:
            raise JobError(
                f"trainer {task.name}: {what.format(found)}, there should be {wanted}; nothing is "
                "saved, run the same command again"
            )


def errors_of(predictions: Iterable[Prediction], top_k: int) -> dict[str, Any]:
    """Count the errors of labelled images.

    Returns
    -------
    `n_images`, those with a label; `top1_error` and `top<k>_error` with their 95 % intervals,
    `…_interval`; these are None when no image has a label.
    """
    from models.evaluate import error_interval

    n_images, n_errors = 0, {1: 0, top_k: 0}
    for key, best in predictions:
        if key.wnid != UNLABELLED:
            n_images += 1
            for k in n_errors:
                n_errors[k] += all(wnid != key.wnid for wnid, _ in best[:k])
    facts: dict[str, Any] = {"n_images": n_images}
    for k, n in n_errors.items():
        facts[f"top{k}_error"] = n / n_images if n_images else None
        interval = list(error_interval(n, n_images)) if n_images else None
        facts[f"top{k}_error_interval"] = interval
    return facts


def shards_of(context: Context) -> str:
    """Return what differs for other shards of a run, and for another choice of train images."""
    from pipeline import selecting
    from pipeline.config import fingerprint

    return fingerprint(
        [manifest_of(SPLIT, context)["fingerprint"], selecting.facts_of(context, "train")]
    )


def read(run_dir: Path) -> dict[str, dict[str, Any]]:
    """Return what there is of a saved run, by trainer, the oldest first.

    Raises
    ------
    DataError
        A result is damaged.
    """
    found = [_read(path) for path in sorted(results_dir(run_dir).glob(f"[!.]*/{RESULT}"))]
    return {facts["trainer"]: facts for facts in sorted(found, key=lambda facts: facts["made"])}


def _read(path: Path) -> dict[str, Any]:
    try:
        facts = parse_json(read_plain(path, _MAX_JSON_BYTES))
        if facts["trainer"] != path.parent.name or not isinstance(facts["made"], str):
            raise TypeError
        for name in ("seconds", "shards", "top_k", "top1_error", "n_images", "peak_mib"):
            facts[name]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise DataError(f"{path} is damaged; remove {path.parent} and train again") from error
    return dict(facts)

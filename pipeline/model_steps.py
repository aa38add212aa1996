"""The steps on this machine: train on the shards, test, save what came out.

What needs scikit-learn is imported where it is used: the import takes a second, which commands that
only look at runs or clusters should not.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import joblib

from models.dataset import Pair, Pairs, index_classes, merge_parts
from mr_jobs.job import ROOT
from mr_jobs.lib.errors import JobError
from mr_jobs.lib.records import shard_key
from mr_jobs.lib.sequencefile import Reader
from pipeline.catalog import rows
from pipeline.data_steps import CATALOG, INGEST, SPLIT, split_settings
from pipeline.progress import Progress
from pipeline.runs import Run
from pipeline.step import Context, Step, counts_of, manifest_of

if TYPE_CHECKING:
    from models.evaluate import Evaluation
    from models.train import Fit

SAVED = ROOT / "models" / "saved"


def shard_pairs(context: Context, split: str) -> Pairs:
    """Return what starts a pass over the vectors of a split, in the order of their places."""

    def start() -> Iterator[Pair]:
        with ExitStack() as files:
            readers = [
                Reader(files.enter_context(context.store.open(name)), context.store.uri(name))
                for name in context.store.files("shards")
            ]
            yield from merge_parts(readers, split)

    return start


def _train(context: Context, progress: Progress) -> dict[str, Any]:
    from models.train import fit

    expected = counts_of(SPLIT, context).get("train", 0)
    class_index = _class_index(context)
    made = fit(
        shard_pairs(context, "train"),
        class_index,
        context.config.model,
        seed=context.config.data.seed,
        on_images=_counting(progress, expected),
    )
    if made.n_images != expected:
        raise JobError(f"train: read {made.n_images} vectors, the shards hold {expected}")
    _dump(context, "train/fit.joblib", made)
    return {"n_images": made.n_images, "n_features": made.n_features, "synsets": len(class_index)}


def _class_index(context: Context) -> dict[str, int]:
    """Give the synsets with vectors to train on their numbers, by the small catalogue."""
    split = split_settings(context)

    def trained_on() -> Iterator[str]:
        for row in rows(context.store):
            if row.status == "kept" and shard_key(row.key, *split).startswith("train\t"):
                yield row.wnid

    return index_classes(trained_on())


def _evaluate(context: Context, progress: Progress) -> dict[str, Any]:
    from models.evaluate import evaluate

    counts = counts_of(SPLIT, context)
    made: Fit = _load(context, "train/fit.joblib")
    wnids = [str(wnid) for wnid in made.estimator.classes_]
    class_index = {wnid: index for index, wnid in enumerate(wnids)}
    evaluations = {}
    for split in ("val", "test"):
        evaluations[split] = evaluate(
            made.estimator,
            shard_pairs(context, split)(),
            class_index,
            context.config.model.top_k,
            on_images=_counting(progress, counts.get(split, 0)),
        )
        found = len(evaluations[split].predictions)
        if found != counts.get(split, 0):
            raise JobError(f"evaluate: read {found} {split} vectors of {counts.get(split, 0)}")
    _dump(context, "evaluate/evaluations.joblib", evaluations)
    val = evaluations["val"]
    top1_error = val.n_top1_errors / val.n_images if val.n_images else None
    return {"top1_error": top1_error, "n_images": val.n_images}


def _save(context: Context, _: Progress) -> dict[str, Any]:
    from models import artifact
    from models.metrics import build_metrics

    made: Fit = _load(context, "train/fit.joblib")
    evaluations: dict[str, Evaluation] = _load(context, "evaluate/evaluations.joblib")
    run_dir = saved_dir(context.run)
    if run_dir.exists():  # of this run, before it was killed or its settings were changed
        shutil.rmtree(run_dir)
    metrics = build_metrics(
        _facts(context), made, evaluations["val"], evaluations["test"],
        top_k=context.config.model.top_k,
    )  # fmt: skip
    data = context.data
    artifact.save(
        run_dir,
        artifact.Run(
            fit=made,
            features=context.config.features,
            metrics=metrics,
            val=evaluations["val"],
            test=evaluations["test"],
            words=data.words,
            ilsvrc_ids=data.ilsvrc_ids or None,
            parameters=context.config.to_dict(),
            versions={"hadoop": context.cluster.hadoop_version} if context.cluster else {},
            data_fingerprint=manifest_of(CATALOG, context)["data_fingerprint"],
        ),
    )
    return {"run_dir": str(run_dir)}


def _facts(context: Context) -> dict[str, Any]:
    run, ingested, catalogued = (
        context.run,
        manifest_of(INGEST, context),
        manifest_of(CATALOG, context),
    )
    split = counts_of(SPLIT, context)
    refused = {f"{reason} (not an image file)": n for reason, n in ingested["refused"].items()}
    counts = {
        "images": catalogued["counts"]["catalogued"],
        "kept": catalogued["counts"].get("kept", 0),
        "quarantined": catalogued["by_reason"],
        "duplicates": catalogued["duplicates"],
        "refused_members": refused,
        "bytes": catalogued["bytes"],
        "bundles": ingested["bundles"],
        **{name: split.get(name, 0) for name in ("train", "val", "test")},
    }
    return {
        "run_id": run.run_id,
        "run_dir": str(saved_dir(run)),
        "data": run.data,
        "synthetic": context.data.synthetic,
        "runner": run.runner,
        "counts": counts,
        "steps": _seconds(run),
        "warnings": ingested["warnings"],
    }


def saved_dir(run: Run) -> Path:
    """Return where a run's results are, or will be."""
    return SAVED / run.run_id


def result_of(run: Run) -> dict[str, Any]:
    """Return what metrics.json says, with the steps after it."""
    path = saved_dir(run) / "metrics.json"
    result: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return {**result, "steps": _seconds(run)}


def _seconds(run: Run) -> list[dict[str, Any]]:
    return [{"name": name, "seconds": report["seconds"]} for name, report in run.steps.items()]


def _counting(progress: Progress, total: int) -> Callable[[int], None]:
    done = 0

    def count(n: int) -> None:
        nonlocal done
        done += n
        progress.update(done, total)

    return count


def _dump(context: Context, name: str, value: object) -> None:
    path = context.run.dir / name
    path.parent.mkdir(parents=True, exist_ok=True)
    joblib.dump(value, path)


def _load(context: Context, name: str) -> Any:  # noqa: ANN401  # the caller knows
    return joblib.load(context.run.dir / name)  # this run wrote it


TRAIN = Step(
    "train",
    "fit the classifier on the train shards",
    "train",
    (SPLIT,),
    lambda context: context.config.model.to_dict(),
    _train,
    local=True,
)
EVALUATE = Step(
    "evaluate",
    "count its errors on the val shards",
    "evaluate",
    (TRAIN,),
    lambda context: context.config.model.top_k,
    _evaluate,
    local=True,
)
SAVE = Step(
    "save",
    "write and verify models/saved/<run_id>/",
    "save",
    (EVALUATE,),
    lambda context: None,
    _save,
    local=True,
)

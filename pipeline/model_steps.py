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
from mr_jobs.lib.duplicates import LEAKED
from mr_jobs.lib.errors import JobError
from mr_jobs.lib.imagenet import SPLITS
from mr_jobs.lib.records import shard_key
from mr_jobs.lib.selection import Selection
from mr_jobs.lib.sequencefile import Reader
from pipeline import selecting
from pipeline.catalog import rows
from pipeline.data_steps import BUNDLE, CATALOG, INGEST
from pipeline.progress import Progress
from pipeline.runs import Run
from pipeline.split_steps import GROUP, SPLIT, split_settings
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

    left = selecting.left_after(context, "train")
    class_index, n_left = _class_index(context, left)
    expected = n_left if "train" in context.run.where else counts_of(SPLIT, context).get("train", 0)
    made = fit(
        _selected(shard_pairs(context, "train"), left),
        class_index,
        context.config.model,
        seed=context.config.data.seed,
        on_images=_counting(progress, expected),
    )
    if made.n_images != expected:
        raise JobError(f"train: read {made.n_images} vectors, there should be {expected}")
    _dump(context, "train/fit.joblib", made)
    return {"n_images": made.n_images, "n_features": made.n_features, "synsets": len(class_index)}


def _selected(pairs: Pairs, left: Selection | None) -> Pairs:
    """Return what starts a pass over the selected ones of the vectors."""
    if left is None:
        return pairs
    return lambda: (pair for pair in pairs() if str(pair[0]) in left)


def _class_index(context: Context, left: Selection | None) -> tuple[dict[str, int], int]:
    """Give the synsets with vectors to train on their numbers, by the small catalogue.

    Returns also the number of these vectors.
    """
    split = split_settings(context)
    n_rows = n_images = 0

    def trained_on() -> Iterator[str]:
        nonlocal n_rows, n_images
        for row in rows(context.images.store):
            n_rows += 1
            if row.status != "kept" or (left is not None and row.key not in left):
                continue
            if shard_key(row.key, *split).startswith("train\t"):
                n_images += 1
                yield row.wnid

    class_index = index_classes(trained_on())
    made = manifest_of(CATALOG, context)["rows"]
    if n_rows != made:
        raise JobError(
            f"train: the catalogue has {n_rows} rows and was made with {made}; `bin/pipeline "
            "verify` names the images, put the file back from a copy"
        )
    return class_index, n_images


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
    split, grouped = counts_of(SPLIT, context), counts_of(GROUP, context)
    refused = {f"{reason} (not an image file)": n for reason, n in ingested["refused"].items()}
    counts = {
        "images": catalogued["counts"]["catalogued"],
        "kept": catalogued["counts"].get("kept", 0),
        "quarantined": catalogued["by_reason"],
        "repaired": {
            name.removeprefix("repaired_"): n
            for name, n in sorted(catalogued["counts"].items())
            if name.startswith("repaired_")
        },
        "duplicates": grouped["exact"] + grouped["near"],
        **{name: grouped[name] for name in ("leaks", "label_conflicts")},
        "refused_members": refused,
        "bytes": catalogued["bytes"],
        "bundles": manifest_of(BUNDLE, context)["bundles"],
        **{name: split.get(name, 0) for name in (*SPLITS, LEAKED)},
    }
    return {
        "run_id": run.run_id,
        "run_dir": str(saved_dir(run)),
        "data": run.data,
        "synthetic": context.data.synthetic,
        "runner": run.runner,
        "counts": counts,
        "steps": _seconds(run),
        "warnings": [*selecting.told(context), *ingested["warnings"]],
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
    lambda context: [context.config.model.to_dict(), selecting.facts_of(context, "train")],
    _train,
    place="run",
)
EVALUATE = Step(
    "evaluate",
    "count its errors on the val shards",
    "evaluate",
    (TRAIN,),
    lambda context: context.config.model.top_k,
    _evaluate,
    place="run",
)
SAVE = Step(
    "save",
    "write and verify models/saved/<run_id>/",
    "save",
    (EVALUATE,),
    lambda context: None,
    _save,
    place="run",
)

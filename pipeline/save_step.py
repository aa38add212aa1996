"""The step that saves: everything of a run that is worth keeping, in models/saved/<run_id>/.

What needs scikit-learn is imported where it is used: the import takes a second, which commands that
only look at runs or clusters should not.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mr_jobs.job import ROOT
from mr_jobs.lib.duplicates import LEAKED
from mr_jobs.lib.imagenet import SPLITS
from pipeline import selecting
from pipeline.codebook_step import load_codebooks
from pipeline.data_steps import BUNDLE, CATALOG, INGEST
from pipeline.evaluate_step import EVALUATE, predictions_file, read_evaluations
from pipeline.group_step import GROUP
from pipeline.index_step import INDEX, errors_by_size
from pipeline.model_files import load
from pipeline.progress import Progress
from pipeline.runs import Run
from pipeline.split_step import SPLIT
from pipeline.step import Context, Step, counts_of, manifest_of

if TYPE_CHECKING:
    from models.train import Fit

SAVED = ROOT / "models" / "saved"


def _save(context: Context, _: Progress) -> dict[str, Any]:
    from models import artifact
    from models.metrics import build_metrics

    made: Fit = load(context, "train/fit.joblib")
    evaluations = read_evaluations(context)
    run_dir = saved_dir(context.run)
    if run_dir.exists():  # of this run, before it was killed or its settings were changed
        shutil.rmtree(run_dir)
    metrics = build_metrics(
        _facts(context), made, evaluations["val"], evaluations["test"],
        top_k=context.config.model.top_k, sizes=errors_by_size(context),
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
            predictions={split: predictions_file(context, split) for split in evaluations},
            codebooks=load_codebooks(context),
        ),
        add=lambda directory: _report(context, directory),
    )
    return {"run_dir": str(run_dir)}


def _report(context: Context, directory: Path) -> None:
    """Make the page of a run that is being saved, and keep what it shows of the images."""
    from pipeline.report.collect import collect
    from pipeline.report.render import PAGE, render

    collect(context, directory)
    (directory / PAGE).write_text(render(directory), "utf-8")


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


SAVE = Step(
    "save",
    "write and verify models/saved/<run_id>/",
    "save",
    (EVALUATE, INDEX),
    lambda context: None,
    _save,
    place="run",
)

"""The steps from raw tars to shards, most of them MapReduce jobs.

After every job the counts must add up: what went in was kept or quarantined.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from mr_jobs.job import ImageJob
from mr_jobs.lib.errors import JobError
from mr_jobs.mr_bundle_images import MRBundleImages
from mr_jobs.mr_catalog_images import MRCatalogImages
from mr_jobs.mr_extract_features import MRExtractFeatures
from mr_jobs.mr_split_shards import MRSplitShards
from pipeline import catalog
from pipeline.ingest import ingest
from pipeline.jobs import JobSpec, run_job
from pipeline.progress import Progress
from pipeline.step import Context, Step, counts_of, manifest_of

_MB = 1 << 20
_IMAGES_A_REDUCER = 200_000  # of the catalogue: about 60 MB of rows
_REDUCER_BYTES = 1 << 30  # of shards


def _ingest_facts(context: Context) -> object:
    return [context.data_facts, context.config.data.bundle_mb, context.run.allow_damaged]


def _ingest(context: Context, progress: Progress) -> dict[str, Any]:
    report = ingest(
        context.data,
        context.store,
        context.config.data.bundle_mb * _MB,
        progress,
        allow_damaged=context.run.allow_damaged,
    )
    for warning in context.data.warnings:
        progress.note(f"warning: {warning}")
    return {
        **vars(report),
        "refused": dict(report.refused),
        "classes": dict(report.classes),
        "warnings": context.data.warnings,
    }


def _bundle(context: Context, progress: Progress) -> dict[str, Any]:
    expected = manifest_of(INGEST, context)["images"]
    side_files = ["--labels", context.store.uri("side/labels.tsv")]
    if context.data.words:
        side_files += ["--synsets", context.store.uri("side/synsets.txt")]
    if context.cluster:
        side_files += ["--webhdfs", context.cluster.webhdfs_url]
    counts = _run(
        context, progress, BUNDLE, MRBundleImages, "plan", ("bundled", expected), side_files
    )
    _check("bundle", "images of the raw tars", expected, {"bundled": counts.get("bundled", 0)})
    return {"counts": counts}


def _catalog(context: Context, progress: Progress) -> dict[str, Any]:
    bundled = counts_of(BUNDLE, context)["bundled"]
    spec = context.config.features
    args = ["--max-image-px", str(spec.max_image_px), "--min-side-px", str(spec.image_px)]
    reducers = f"mapreduce.job.reduces={1 + bundled // _IMAGES_A_REDUCER}"
    followed = ("catalogued", bundled)
    counts = _run(
        context, progress, CATALOG, MRCatalogImages, "bundles", followed, args, [reducers]
    )
    parts = {name: counts.get(name, 0) for name in ("kept", "quarantined")}
    _check("catalog", "bundled", bundled, parts)
    summary = catalog.summarise(context.store, context.run.dir)
    _check("catalog", "catalogued", bundled, {"rows": summary["rows"]})
    return {"counts": counts, **summary}


def _features(context: Context, progress: Progress) -> dict[str, Any]:
    bundled = counts_of(BUNDLE, context)["bundled"]
    spec = context.config.features
    args = ["--features", json.dumps(spec.to_dict(), separators=(",", ":"))]
    followed = ("read", bundled)
    counts = _run(context, progress, FEATURES, MRExtractFeatures, "bundles", followed, args)
    parts = {name: counts.get(name, 0) for name in ("featurized", "skipped")}
    _check("features", "bundled", bundled, parts)
    kept = counts_of(CATALOG, context).get("kept", 0)
    _check("features", "kept by the catalogue", kept, {"featurized": parts["featurized"]})
    meta = {
        "dtype": "<f4",
        "n_features": spec.n_features,
        "parameters": spec.to_dict(),
        "features_fingerprint": spec.fingerprint(),
    }
    return {"counts": counts, **meta}


def _split(context: Context, progress: Progress) -> dict[str, Any]:
    featurized = counts_of(FEATURES, context)["featurized"]
    seed, val_fraction, test_fraction = split_settings(context)
    args = ["--seed", str(seed)]
    args += ["--val-fraction", str(val_fraction), "--test-fraction", str(test_fraction)]
    size = featurized * context.config.features.n_features * 4
    reducers = f"mapreduce.job.reduces={1 + size // _REDUCER_BYTES}"
    followed = ("read", featurized)
    counts = _run(context, progress, SPLIT, MRSplitShards, "features", followed, args, [reducers])
    parts = {name: counts.get(name, 0) for name in ("train", "val", "test")}
    _check("split", "featurized", featurized, parts)
    return {"counts": counts}


def split_settings(context: Context) -> tuple[int, float, float]:
    """Return seed, val_fraction and test_fraction; an official division is kept."""
    data = context.config.data
    if context.data.has_val:
        return data.seed, 0.0, 0.0
    return data.seed, data.val_fraction, data.test_fraction


def _run(
    context: Context,
    progress: Progress,
    step: Step,
    job: type[ImageJob],
    inputs: str,
    followed: tuple[str, int],
    args: Sequence[str],
    jobconf: Sequence[str] = (),
) -> dict[str, int]:
    """Run a step's job; `followed` is the counter to show, and what it will come to."""
    spec = JobSpec(
        name=step.name,
        job=job,
        inputs=[context.store.uri(inputs)],
        output=context.store.uri(step.makes),
        clear=lambda: context.store.delete(step.makes),
        args=args,
        jobconf=jobconf,
        counter=followed[0],
        total=followed[1],
    )
    result = run_job(spec, context.run.runner, context.run.run_id, progress, context.cluster)
    return result.counters


def _check(step: str, name: str, expected: int, parts: Mapping[str, int]) -> None:
    """Raise a JobError unless the parts add up to the expected number of what `name` says."""
    if sum(parts.values()) != expected:
        told = " + ".join(f"{count} {part}" for part, count in parts.items())
        raise JobError(
            f"{step}: the counts do not add up: {expected} {name}, but {told}; the step's input "
            "changed or lost records, run it again from `ingest`"
        )


INGEST = Step(
    "ingest",
    "bring the raw tars to the runner and plan the bundles",
    "plan",
    (),
    _ingest_facts,
    _ingest,
)
BUNDLE = Step(
    "bundle",
    "job: raw tars to SequenceFiles of byte-identical images",
    "bundles",
    (INGEST,),
    lambda context: None,
    _bundle,
)
CATALOG = Step(
    "catalog",
    "job: one row an image, with what is wrong with it",
    "catalog",
    (BUNDLE,),
    lambda context: [context.config.features.max_image_px, context.config.features.image_px],
    _catalog,
)
FEATURES = Step(
    "features",
    "job: HOG and colour features of every image",
    "features",
    (BUNDLE, CATALOG),
    lambda context: context.config.features.fingerprint(),
    _features,
)
SPLIT = Step(
    "split",
    "job: shuffle the vectors into shards of train, val and test",
    "shards",
    (FEATURES,),
    lambda context: asdict(context.config.data),
    _split,
)

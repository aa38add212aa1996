"""The step that computes the feature vectors."""

from __future__ import annotations

import json
from typing import Any

from mr_jobs.lib.errors import DataError
from mr_jobs.lib.imagenet import UNLABELLED
from mr_jobs.mr_extract_features import MRExtractFeatures
from pipeline import selecting
from pipeline.codebook_step import CODEBOOK, codebooks_option, load_codebooks
from pipeline.data_steps import BUNDLE, CATALOG, INGEST, features_option
from pipeline.progress import Progress
from pipeline.step import Context, Step, counts_of, manifest_of
from pipeline.step_job import check_counts, run_step_job


def _features(context: Context, progress: Progress) -> dict[str, Any]:
    _require_classes(context)
    chosen = selecting.chosen(context, "features")
    kept = len(chosen.images) if chosen else counts_of(CATALOG, context).get("kept", 0)
    expected = kept if chosen else counts_of(BUNDLE, context)["bundled"]
    spec = context.config.features
    args = [*features_option(context), *codebooks_option(context)]
    args += selecting.job_option(context, "features")
    followed = ("read", expected)
    reads = selecting.inputs_of(context, "features", FEATURES.name)
    counts = run_step_job(
        context, progress, FEATURES, MRExtractFeatures, reads.uris, followed, [*args, *reads.args],
        into=(context.store, FEATURES.makes), jobconf=reads.jobconf,
    )  # fmt: skip
    parts = {name: counts.get(name, 0) for name in ("featurized", "skipped")}
    check_counts("features", "selected" if chosen else "bundled", expected, parts)
    check_counts("features", "kept by the catalogue", kept, {"featurized": parts["featurized"]})
    codebooks = load_codebooks(context)
    meta = {
        "dtype": "<f4",
        "n_features": spec.n_features,
        "parameters": spec.to_dict(),
        "codebooks": codebooks.digest() or None,
        "features_fingerprint": spec.fingerprint(codebooks),
    }
    context.store.write(f"{FEATURES.makes}/_meta.json", [json.dumps(meta, indent=2).encode()])
    return {"counts": counts, "features_fingerprint": meta["features_fingerprint"]}


def _require_classes(context: Context) -> None:
    """Refuse early what no classifier can be trained on."""
    data, classes = context.data, manifest_of(INGEST, context)["classes"]
    trained = {wnid for wnid in classes if wnid and (not data.words or wnid in data.words)}
    if len(trained - {UNLABELLED}) < 2:
        raise DataError(
            f"{data.root}: images of {len(trained)} known class(es) to train on; a classifier "
            "needs at least two"
        )


FEATURES = Step(
    "features",
    "job: the feature vector of every image",
    "features",
    (BUNDLE, CATALOG, CODEBOOK),
    lambda context: [
        context.config.features.fingerprint(),
        selecting.facts_of(context, "features"),
    ],
    _features,
)

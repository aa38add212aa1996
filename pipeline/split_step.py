"""The step that divides the vectors into shards of train, val and test."""

from __future__ import annotations

from typing import Any

from mr_jobs.lib.duplicates import LEAKED
from mr_jobs.lib.imagenet import SPLITS
from mr_jobs.mr_split_shards import MRSplitShards
from pipeline import selecting
from pipeline.config import fingerprint
from pipeline.division import shares_of, split_facts, split_options
from pipeline.features_step import FEATURES
from pipeline.group_step import GROUP
from pipeline.progress import Progress
from pipeline.step import Context, Step, counts_of, manifest_of
from pipeline.step_job import check_counts, run_step_job

REDUCER_BYTES = 1 << 30  # of shards


def _split(context: Context, progress: Progress) -> dict[str, Any]:
    featurized = counts_of(FEATURES, context)["featurized"]
    args = [*split_options(context), *selecting.job_option(context, "split")]
    args += ["--shard-tag", _tag(context)]
    left = selecting.left_after(context, "split")
    selected = featurized if left is None else len(left)
    size = featurized * context.config.features.n_features * 4
    reducers = f"mapreduce.job.reduces={1 + size // REDUCER_BYTES}"
    followed = ("read", selected)
    inputs, into = [context.store.uri(FEATURES.makes)], (context.store, SPLIT.makes)
    counts = run_step_job(
        context, progress, SPLIT, MRSplitShards, inputs, followed, args, into=into,
        jobconf=[reducers],
    )  # fmt: skip
    parts = {name: counts.get(name, 0) for name in (*SPLITS, LEAKED)}
    check_counts("split", "selected of the featurized", selected, parts)
    parts["unselected"] = counts.get("unselected", 0)
    check_counts("split", "featurized", featurized, parts)
    return {"counts": counts}


def _tag(context: Context) -> str:
    """Return 8 hexadecimal digits that differ for other vectors and for another division."""
    features = manifest_of(FEATURES, context)["features_fingerprint"]
    return fingerprint([features, shares_of(context), context.config.duplicates.leaks])[:8]


SPLIT = Step(
    "split",
    "job: shuffle the vectors into shards of train, val and test",
    "shards",
    (FEATURES, GROUP),
    lambda context: [*split_facts(context), selecting.facts_of(context, "split")],
    _split,
)

"""The steps that divide the images: group the duplicates, and split the vectors by group."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from mr_jobs.lib.duplicates import LEAKED, Groups
from mr_jobs.lib.imagenet import SPLITS
from mr_jobs.mr_group_duplicates import MRGroupDuplicates
from mr_jobs.mr_split_shards import MRSplitShards
from pipeline import duplicates, selecting
from pipeline.data_steps import CATALOG, FEATURES
from pipeline.progress import Progress
from pipeline.step import Context, Step, counts_of, manifest_of
from pipeline.step_job import check_counts, run_step_job

_REDUCER_BYTES = 1 << 30  # of shards
_IMAGES_A_REDUCER = 100_000  # of the catalogue: up to 1 GB in the shuffle of the bands


def _group(context: Context, progress: Progress) -> dict[str, Any]:
    rows = manifest_of(CATALOG, context)["rows"]
    store, settings = context.images.store, context.config.duplicates
    args = ["--max-distance", str(settings.max_distance)]
    args += [] if settings.near else ["--exact-only"]
    found = "work/pairs"
    job_counts = run_step_job(
        context, progress, GROUP, MRGroupDuplicates, [store.uri("catalog")], ("read", rows), args,
        into=(store, found), jobconf=[f"mapreduce.job.reduces={1 + rows // _IMAGES_A_REDUCER}"],
    )  # fmt: skip
    check_counts("group", "catalogued", rows, {"read": job_counts.get("read", 0)})
    exact = job_counts.pop("exact", 0)
    grouped = duplicates.write_groups(store, found)
    check_counts("group", "exact copies", exact, {"pairs": grouped.pop("pairs_exact")})
    store.delete(found)
    counts = {**job_counts, **grouped}
    for problem, told in _PROBLEMS.items():
        if counts.get(problem):
            progress.note(f"{counts[problem]} {told}; `bin/pipeline duplicates` lists them")
    return {"counts": counts}


def _split(context: Context, progress: Progress) -> dict[str, Any]:
    featurized = counts_of(FEATURES, context)["featurized"]
    seed, val_fraction, test_fraction = _shares(context)
    args = ["--seed", str(seed)]
    args += ["--val-fraction", str(val_fraction), "--test-fraction", str(test_fraction)]
    args += ["--groups", context.images.store.uri(duplicates.FILE)]
    args += ["--leaks", context.config.duplicates.leaks]
    args += selecting.job_option(context, "split")
    left = selecting.left_after(context, "split")
    selected = featurized if left is None else len(left)
    size = featurized * context.config.features.n_features * 4
    reducers = f"mapreduce.job.reduces={1 + size // _REDUCER_BYTES}"
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


def split_settings(context: Context) -> tuple[int, float, float, Groups]:
    """Return what `shard_key` wants besides a key: seed, val and test fraction, duplicates."""
    move = context.config.duplicates.leaks == "move"
    groups = duplicates.load_groups(context.images.store, move_leaks=move)
    return *_shares(context), groups


def _shares(context: Context) -> tuple[int, float, float]:
    """Return seed, val_fraction and test_fraction; an official division is kept."""
    data = context.config.data
    if context.data.has_val:
        return data.seed, 0.0, 0.0
    return data.seed, data.val_fraction, data.test_fraction


_PROBLEMS = {
    "leaks": "train images are in val or test, too",
    "label_conflicts": "groups of duplicates have several labels",
    "bridges": "images resemble two groups and joined the nearer one",
    "bands_capped": "bands hold too many images to compare all",
}
GROUP = Step(
    "group",
    "job: group the images that are the same, exactly or nearly",
    duplicates.FOLDER,
    (CATALOG,),
    lambda context: [context.config.duplicates.near, context.config.duplicates.max_distance],
    _group,
    place="images",
)
SPLIT = Step(
    "split",
    "job: shuffle the vectors into shards of train, val and test",
    "shards",
    (FEATURES, GROUP),
    lambda context: [
        asdict(context.config.data),
        context.config.duplicates.leaks,
        selecting.facts_of(context, "split"),
    ],
    _split,
)

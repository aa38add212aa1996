"""The step that groups the duplicates."""

from __future__ import annotations

from typing import Any

from mr_jobs.mr_group_duplicates import MRGroupDuplicates
from pipeline import duplicates
from pipeline.data_steps import CATALOG
from pipeline.progress import Progress
from pipeline.step import Context, Step, manifest_of
from pipeline.step_job import check_counts, run_step_job

IMAGES_A_REDUCER = 100_000  # of the catalogue: up to 1 GB in the shuffle of the bands


def _group(context: Context, progress: Progress) -> dict[str, Any]:
    rows = manifest_of(CATALOG, context)["rows"]
    store, settings = context.images.store, context.config.duplicates
    args = ["--max-distance", str(settings.max_distance)]
    args += [] if settings.near else ["--exact-only"]
    found = "work/pairs"
    job_counts = run_step_job(
        context, progress, GROUP, MRGroupDuplicates, [store.uri("catalog")], ("read", rows), args,
        into=(store, found), jobconf=[f"mapreduce.job.reduces={1 + rows // IMAGES_A_REDUCER}"],
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

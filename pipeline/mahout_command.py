"""`bin/pipeline mahout`: a job of Mahout on a run's data, beside what our own jobs make of them."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from mr_jobs.lib.errors import ConfigError

if TYPE_CHECKING:
    from pipeline.arguments import Commands

_DESCRIPTION = """\
Run Mahout's MapReduce on the cluster of a run, on descriptors of its training images, and compare
the result with this project's own. ssvd: the principal components of the descriptors of `fisher`.
kmeans: the codebook of `patches`, from the same first centroids. Nothing of the run is changed.
"""
_FEATURES = {"ssvd": "fisher", "kmeans": "patches"}


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "mahout",
        help="Mahout's SSVD and k-means on a run's data, beside ours",
        description=_DESCRIPTION,
    )
    parser.add_argument("program", choices=tuple(_FEATURES), help="which job")
    parser.add_argument("--run-id", required=True, metavar="RUN", help="the run, see `runs`")
    parser.add_argument(
        "--samples", type=int, metavar="N", help="descriptors (default: the run's [codebooks])"
    )
    parser.add_argument(
        "--rounds", type=int, metavar="N", help="kmeans: rounds (default: the run's [codebooks])"
    )
    parser.add_argument(
        "--oversampling",
        type=int,
        metavar="P",
        help="ssvd: random directions beside the components (default: as many as there can be, "
        "which is exact)",
    )
    parser.add_argument(
        "--power-iterations",
        type=int,
        default=0,
        metavar="Q",
        help="ssvd: two jobs each, which make up for few directions (default: %(default)s)",
    )
    parser.add_argument(
        "--pca",
        action="store_true",
        help="ssvd: let Mahout subtract the mean itself, which often goes wrong, see "
        "docs/landscape/mahout.md",
    )
    parser.add_argument(
        "--jobs",
        action="store_true",
        help="make our own passes by jobs on YARN, too, however small the data are",
    )
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object")


def run(args: Namespace) -> dict[str, Any]:
    """Run the job and compare.

    Raises
    ------
    ConfigError
        There is no such run, its cluster is gone or has no Mahout, or a number does not fit.
    JobError
        A job failed.
    """
    from pipeline import mahout, mahout_jobs
    from pipeline.full import open_context
    from pipeline.progress import Progress
    from pipeline.run_cluster import existing_cluster
    from pipeline.runs import load_run

    if min(args.oversampling or 0, args.power_iterations) < 0:
        raise ConfigError("mahout: --oversampling and --power-iterations are whole numbers from 0")
    loaded = load_run(args.run_id)
    if loaded is None:
        raise ConfigError(f"there is no run {args.run_id}; `bin/pipeline runs` lists them")
    cluster = existing_cluster(loaded) if loaded.runner == "hadoop" else None
    if cluster is None and loaded.runner == "hadoop":
        raise ConfigError(
            f"the cluster {loaded.cluster} of the run {args.run_id} is gone, and its images with it"
        )
    context = open_context(loaded, mahout.require(cluster))
    with (
        Progress("mahout") as progress,
        mahout_jobs.workplace(context, _FEATURES[args.program], _changes(args)) as place,
    ):
        if args.program == "kmeans":
            found = mahout_jobs.kmeans(place, progress)
        else:
            found = mahout_jobs.ssvd(
                place,
                progress,
                oversampling=args.oversampling,
                power_iterations=args.power_iterations,
                pca=args.pca,
            )
    return {
        "run_id": args.run_id,
        "program": args.program,
        "version": context.cluster and context.cluster.mahout_version,
        "ours_by": "jobs" if args.jobs else "this process where the data are small",
        **found.to_dict(),
    }


def _changes(args: Namespace) -> dict[str, Any]:
    given = {"samples": args.samples, "rounds": args.rounds}
    return {
        "codebooks": {name: value for name, value in given.items() if value is not None},
        "passes": {"here_mb": 0} if args.jobs else {},
    }


def lines(result: dict[str, Any]) -> Iterator[str]:
    """Yield the text for people."""
    figures, seconds = result["figures"], result["seconds"]
    if result["program"] == "ssvd":
        yield (
            f"matrix       {figures['rows']:,} descriptors of fisher, {figures['columns']} numbers "
            f"each; rank {figures['rank']}, oversampling {figures['oversampling']}, "
            f"{figures['power_iterations']} power iterations"
        )
        yield (
            f"angles       largest {figures['largest_angle']:.1e}, median "
            f"{figures['median_angle']:.1e} radians between Mahout's components and ours"
        )
        yield f"deviations   differ by {figures['deviations_differ_by']:.1e} at most"
    else:
        yield (
            f"points       {figures['points']:,} whitened patches, {figures['columns']} numbers "
            f"each; {figures['centroids']} centroids, {figures['rounds']} rounds"
        )
        yield (
            f"inertia      {figures['inertia_start']:.4f} at the start, ours "
            f"{figures['inertia_ours']:.4f}, Mahout's {figures['inertia_mahout']:.4f}: a "
            f"difference of {figures['inertias_differ_by']:.1e}"
        )
        yield (
            f"centroids    {figures['centroids_apart']:.1e} apart (root mean square; the farthest "
            f"{figures['farthest_apart']:.1e}), where they are {figures['centroids_long']:.2f} long"
        )
    yield (
        f"seconds      ours {seconds['ours']} by {result['ours_by']}; Mahout {seconds['Mahout']} "
        f"in {len(result['jobs'])} jobs, after {seconds['to Mahout']} to write its input"
    )

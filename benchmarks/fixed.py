"""Measure the fixed part of a run on Hadoop: deploying, an empty job, a small run, destroying.

    python -m benchmarks.fixed [--rounds N] [--full]

Makes a cluster of its own, beside any other, and destroys it. Prints the median of the rounds in
seconds of wall time, so it wants a machine with nothing else to do; the load is printed, too. Jars
have to be in the cache: `bin/pipeline up` brings them.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.mr_empty import MREmpty
from pipeline import cluster as clusters
from pipeline.job_arguments import JobSpec
from pipeline.jobs import run_job
from pipeline.progress import Progress
from pipeline.stores import HdfsStore

ROOT = Path(__file__).resolve().parents[1]
PORT_BASE = 20500


def seconds_of(action: Callable[[], object]) -> float:
    """Return the seconds of wall time that a call takes."""
    began = time.monotonic()
    action()
    return time.monotonic() - began


def empty_job(cluster: clusters.Cluster) -> None:
    """Run the empty job: one map task, one reduce task."""
    store = HdfsStore(cluster.webhdfs_url, cluster.fs_uri, "/benchmark")
    store.write("lines/one.txt", [b"a line\n"])
    spec = JobSpec("empty", MREmpty, [store.uri("lines")], store, "counted")
    counted = run_job(spec, "hadoop", "benchmark", Progress("empty"), cluster).counters
    if counted != {"read": 1}:
        raise SystemExit(f"the empty job counted {counted}")


def round_of(directory: Path, n_jobs: int) -> dict[str, list[float]]:
    """Deploy a cluster, run empty jobs, destroy it; return the seconds of each."""
    name = f"benchmark-{uuid.uuid4().hex[:6]}"
    place, identity = directory / name, clusters.new_id(name)
    quiet: Callable[[str], None] = lambda _: None  # noqa: E731
    took: dict[str, list[float]] = {}
    try:
        took["up"] = [
            seconds_of(
                lambda: clusters.up(
                    name,
                    directory=place,
                    port_base=PORT_BASE,
                    cluster_id=identity,
                    progress=quiet,
                )
            )
        ]
        cluster = clusters.Cluster.load(place)
        took["empty job"] = [seconds_of(lambda: empty_job(cluster)) for _ in range(n_jobs)]
    finally:
        took["down"] = [
            seconds_of(
                lambda: clusters.down(
                    name,
                    directory=place,
                    expected_id=identity,
                    discard_unsaved=True,
                    progress=quiet,
                )
            )
        ]
    return took


def full() -> list[float]:
    """Run `bin/pipeline full` on the default data."""
    command = [sys.executable, "-m", "pipeline", "full"]
    began = time.monotonic()
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL, stderr=None)
    return [time.monotonic() - began]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=3, help="clusters (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=5, help="of each (default: %(default)s)")
    parser.add_argument("--full", action="store_true", help="also `bin/pipeline full`, each round")
    args = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start")
    found: dict[str, list[float]] = {}
    with TemporaryDirectory(prefix="benchmark-") as directory:
        for _ in range(args.rounds):
            took = round_of(Path(directory), args.jobs)
            if args.full:
                took["full"] = full()
            for what, seconds in took.items():
                found.setdefault(what, []).extend(seconds)
    for what, seconds in found.items():
        print(
            f"{what:10} {median(seconds):6.1f} s   "
            f"({min(seconds):.1f} to {max(seconds):.1f}, {len(seconds)} times)"
        )


if __name__ == "__main__":
    main()

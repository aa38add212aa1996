"""Measure how much sooner the feature job ends on two workers than on one, each with one core.

    python -m benchmarks.hosts [--config best] [--images 8000] [--tasks 4] [--rounds 3]

The workers are hosts of ../shared/lab/hosts.sh, each pinned to a core of its own; the master is a
third. On one worker and on two, in turn, the job of `benchmarks.scale` computes the features of a
configuration: of configs/best.toml, whose images take as much CPU as any. A deployment before that
makes the class archives, which later ones have at hand. Needs root and two cores that are idle
otherwise.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from pipeline import cluster as clusters
from tests.cluster.lab.hosts import Lab, lab

ROOT = Path(__file__).resolve().parents[1]
WORKERS = ("h2", "h3")
NAME = "speed-up"  # the class archives are good for one path


def say(line: str) -> None:
    """Show a line of progress."""
    print(f"    {line}", file=sys.stderr)


def pin(hosts: Lab, host: str, core: int) -> None:
    """Keep all that a host will start on one core."""
    pid = int((hosts.dir / host / "pid").read_text())
    first = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0]
    os.sched_setaffinity(int(first), {core})


@contextmanager
def deployed(hosts: Lab, work: Path, n_workers: int) -> Iterator[clusters.Cluster]:
    """Have a cluster of a master and so many workers for a while."""
    place = work / NAME
    inventory = hosts.inventory(work / "hosts.yml", "h1", [*WORKERS[:n_workers]])
    try:
        yield clusters.up(NAME, directory=place, inventory=inventory, progress=say).cluster
    finally:
        clusters.down(NAME, directory=place, discard_unsaved=True, progress=say)


def wall_s(
    cluster: clusters.Cluster, work: Path, config: str, n_images: int, in_bundle: int
) -> dict[str, Any]:
    """Run the job once, in a process of its own, which does not look at the tasks meanwhile.

    Looking through /proc every 50 ms slows what runs on the same core by a sixth.
    """
    options = ["--unwatched", "--runner", "hadoop", "--name", cluster.name]
    options += ["--cluster-dir", str(cluster.dir)]
    options += ["--config", config, "--in-bundle", str(in_bundle)]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks.scale", "--measure", str(n_images)),
            *("--work", str(work), *options),
        ],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--config", default="best", help="of the features (default: %(default)s)")
    parser.add_argument("--images", type=int, default=8_000, metavar="N")
    parser.add_argument("--tasks", type=int, default=4, metavar="N")
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    args = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < len(WORKERS):
        sys.exit(f"{len(WORKERS)} cores are needed, one for each worker")
    in_bundle = -(-args.images // args.tasks)
    seconds: dict[int, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="benchmark-hosts-") as scratch:
        work = Path(scratch)
        with lab(work / "hosts", 1 + len(WORKERS)) as hosts:
            for host, core in zip(WORKERS, cores, strict=False):
                pin(hosts, host, core)
            with deployed(hosts, work, 1):
                say("the class archives are made")
            for n_workers in (1, 2):
                with deployed(hosts, work, n_workers) as cluster:
                    wall_s(cluster, work, args.config, 1, 1)  # sends the code and the images
                    for _ in range(args.rounds):
                        found = wall_s(cluster, work, args.config, args.images, in_bundle)
                        assert found["featurized"] == args.images
                        seconds.setdefault(n_workers, []).append(found["wall_s"])
                        print(
                            f"{n_workers} workers: {found['maps']} tasks {found['wall_s']:.1f} s",
                            flush=True,
                        )
    one, two = median(seconds[1]), median(seconds[2])
    print(f"{args.images} images: {one:.1f} s on 1 worker, {two:.1f} s on 2: {one / two:.2f} times")


if __name__ == "__main__":
    main()

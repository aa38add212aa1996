"""Measure whether the cost of an image, and memory, stay as the images become more.

    python -m benchmarks.scale [--images 1000,5000,20000,100000] [--runner local] [--write docs]
    python -m benchmarks.scale --runner hadoop [--name NAME --cluster-dir DIR]
    python -m benchmarks.scale --fixed [--runner hadoop]
    python -m benchmarks.scale --driver [--write docs]

The first runs the job of the features, with the settings of pipeline.toml, on bundles of
photographs of ../shared/data/imagenette10 (made pictures where that is not): bundles of up to
10,000 images as `bundle` would write them, from 20,000 images on the same ones several times. All
is written out. Each number of images is a process of its own: the driver. Its cost an image is what
is left of wall and CPU time when that of a job of one image is taken away. Memory is the most that
the kernel saw of one process (VmHWM), of the driver, and of the largest task.

`--fixed` measures what a job and its tasks cost without work, for `pipeline/plan_costs.py`;
`--driver` the memory of what the driver does with catalogues of many rows.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import scale_driver
from benchmarks.scale_run import A_BUNDLE, ROOT, cluster_of, measure, measure_empty
from pipeline import yarn

COUNTS = (1_000, 5_000, 20_000, 100_000)
_RECORDS = (1000, 5000)  # whose difference tells what a JVM takes for a record


def in_own_process(
    args: argparse.Namespace, work: Path, n_images: int, *more: str
) -> dict[str, Any]:
    """Measure in a process of its own."""
    options = ["--runner", args.runner, "--name", args.name, "--work", str(work), *more]
    options += ["--cluster-dir", str(args.cluster_dir)] if args.cluster_dir else []
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.scale", "--measure", str(n_images), *options],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def rows(args: argparse.Namespace, work: Path, counts: Sequence[int]) -> Iterator[dict[str, Any]]:
    """Measure each number of images, without the fixed part of a job of one image."""
    fixed = in_own_process(args, work, 1)
    for n_images in counts:
        row = in_own_process(args, work, n_images)
        for what in ("wall", "cpu"):
            row[f"{what}_ms"] = 1e3 * (row[f"{what}_s"] - fixed[f"{what}_s"]) / n_images
        yield row


HEAD = """\
| images | map tasks | wall, s | wall an image, ms | CPU an image, ms | task, MiB | driver, MiB | \
NameNode objects |
| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"""


def line(row: dict[str, Any]) -> str:
    """Write a row of the table; a task of Hadoop is its JVM, too."""
    task_mib, objects = row["container_mib"] or row["task_mib"], row["objects"] or "-"
    return (
        f"| {row['images']:,} | {row['maps']} | {row['wall_s']:.1f} | {row['wall_ms']:.2f} | "
        f"{row['cpu_ms']:.2f} | {task_mib:.0f} | {row['driver_mib']:.0f} | {objects} |"
    )


def verdict(found: Sequence[dict[str, Any]]) -> str:
    """Say how the largest compares with 5,000 images, or with the first."""
    first = next((row for row in found if row["images"] >= 5_000), found[0])
    last = found[-1]
    if min(first["cpu_ms"], first["wall_ms"]) <= 0:  # a job of so few is as long as one of one
        return f"{first['images']:,} images are too few to tell what one takes."
    cpu, wall = (last[what] / first[what] for what in ("cpu_ms", "wall_ms"))
    return (
        f"An image of {last['images']:,} takes {cpu:.2f} times the CPU of one of "
        f"{first['images']:,}, and {wall:.2f} times the wall time."
    )


def fixed_part(args: argparse.Namespace, work: Path, rounds: int = 3) -> dict[str, float]:
    """Measure jobs without work by the number of their tasks; return the fields of `JobCosts`."""
    cluster = cluster_of(args)
    slots = yarn.task_slots(cluster.resourcemanager_url) if cluster else os.cpu_count() or 1

    def seconds(n_tasks: int, *more: str) -> float:
        options = ["--tasks", str(n_tasks), *more]
        found = (in_own_process(args, work, 0, *options) for _ in range(rounds))
        return float(median(each["wall_s"] for each in found))

    if cluster is None:
        one, many = seconds(1), seconds(5 * slots)
        waves = 5 * slots if args.runner == "inline" else 5
        task_s = (many - one) / (waves - 1)
        return {"job_s": one - task_s, "task_s": task_s}
    one, many = seconds(1), seconds(9)
    uber_task_s = (many - one) / 8
    own = ["--jobconf=mapreduce.job.ubertask.enable=false"]
    own_one, own_many = seconds(1, *own), seconds(4 * slots, *own)
    task_s = (own_many - own_one) / 3
    job_s = one - uber_task_s
    few, more = (in_own_process(args, work, n)["java_s"] for n in _RECORDS)
    return {
        "job_s": job_s,
        "task_s": task_s,
        "uber_task_s": uber_task_s,
        "containers_s": own_one - task_s - job_s,
        "record_ms": 1e3 * (more - few) / (_RECORDS[1] - _RECORDS[0]),
    }


def plot(found: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw cost and memory by images."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3), layout="constrained")
    cost, memory = figure.subplots(1, 2)
    images = [row["images"] for row in found]
    for name, label in (("cpu_ms", "CPU"), ("wall_ms", "wall")):
        cost.plot(images, [row[name] for row in found], "o-", label=label)
    for name, label in (("driver_mib", "driver"), ("task_mib", "largest task")):
        memory.plot(images, [row[name] for row in found], "o-", label=label)
    for axes, what in ((cost, "an image, ms"), (memory, "peak memory, MiB")):
        axes.set(xscale="log", xlabel="images", ylabel=what)
        axes.set_ylim(0, 1.3 * axes.get_ylim()[1])
        axes.legend()
    figure.savefig(path, metadata={"Date": None})


def insert(page: Path, name: str, text: str) -> None:
    """Put a measured table into a page, between the lines that mark its place."""
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
    before, _, rest = page.read_text("utf-8").partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise SystemExit(f"{page} has no place for {name}")
    page.write_text(f"{before}{begin}{text}\n{end}{after}", "utf-8")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "--images", default=",".join(map(str, COUNTS)), help="numbers (default: %(default)s)"
    )
    parser.add_argument("--runner", choices=("local", "inline", "hadoop"), default="local")
    parser.add_argument("--name", default="imagenet", help="cluster")
    parser.add_argument("--cluster-dir", type=Path)
    parser.add_argument("--work", type=Path, help="scratch directory (default: a temporary one)")
    parser.add_argument("--write", type=Path, metavar="DOCS", help="put table and plot in there")
    parser.add_argument("--fixed", action="store_true", help="what jobs and tasks cost")
    parser.add_argument("--driver", action="store_true", help="memory of the driver's own work")
    parser.add_argument("--tasks", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--jobconf", action="append", help=argparse.SUPPRESS)
    parser.add_argument("--config", default="pipeline.toml", help=argparse.SUPPRESS)
    parser.add_argument("--in-bundle", type=int, default=A_BUNDLE, help=argparse.SUPPRESS)
    parser.add_argument("--unwatched", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--measure", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure is not None:
        print(json.dumps(measure_empty(args) if args.tasks else measure(args)))
        return
    counts = [int(float(text)) for text in args.images.split(",")]
    with tempfile.TemporaryDirectory(dir=args.work) as scratch:
        work = Path(scratch)
        if args.fixed:
            for name, value in fixed_part(args, work).items():
                print(f"{name}={value:.2f},")
            return
        if args.driver:
            table = []
            for text in scale_driver.table(counts, work):
                table.append(text)
                print(text, flush=True)
            if args.write:
                insert(args.write / "scale.md", "measured driver", "\n".join(table))
            return
        print(HEAD, flush=True)
        found = []
        for row in rows(args, work, counts):
            found.append(row)
            print(line(row), flush=True)
        print(f"\n{verdict(found)}")
        if args.write:
            told = "\n".join([HEAD, *map(line, found), "", verdict(found)])
            insert(args.write / "scale.md", f"measured {args.runner}", told)
            if args.runner == "local":
                plot(found, args.write / "scale.svg")


if __name__ == "__main__":
    main()

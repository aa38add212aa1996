"""Our feature job beside PySpark on one cluster: the same SequenceFiles, containers and cores."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from benchmarks import report
from benchmarks.metering import Group, Usage, measure
from benchmarks.peers.contestants import BARE, BENCH_ENV, CONTESTANTS, ENVIRONMENT, HERE
from benchmarks.peers.hadoop_job import store_of
from benchmarks.peers.layouts import Layouts, lay_out
from benchmarks.peers.outputs import CLOSE, EXACT, Vectors
from benchmarks.peers.race import Result, Say, judge, spread
from pipeline import yarn
from pipeline.cluster import Cluster, down, status, up

NAME = "benchmark"
FEW = 16  # images of the job that shows what takes CPU before the first
HEAD = (
    "program",
    "wall, s",
    "÷ ours",
    "CPU, s",
    "÷ ours",
    "client's peak, MiB",
    "rounds",
    "vectors",
)


class Yarn(NamedTuple):
    """What a job can have of the cluster: tasks side by side, and the memory of a container."""

    slots: int
    container_mb: int


@dataclass
class Measured:
    """What the rounds gave: results of ours, PySpark and the bare loop, and steady-state CPU.

    `steady_ms` is of an image, in all processes; `task_ms` in those of the job alone.
    """

    ours: Result
    spark: Result
    bare: Result
    steady_ms: list[float] = field(default_factory=list)
    task_ms: list[float] = field(default_factory=list)
    tasks: int = 0


@contextlib.contextmanager
def cluster_in(folder: Path, port_base: int, say: Say) -> Iterator[Cluster]:
    """Deploy a cluster for the benchmark, and destroy it."""
    say("deploying a cluster")
    place = folder / "cluster"
    made = up(NAME, directory=place, port_base=port_base, progress=lambda _: None)
    try:
        yield made.cluster
    finally:
        down(NAME, directory=place, discard_unsaved=True, progress=lambda _: None)


@contextlib.contextmanager
def daemons_in_group(folder: Path) -> Iterator[Group | None]:
    """Let a control group count the CPU of the daemons and of all containers; None without."""
    with Group.made() as group:
        if group is not None:
            for daemon in status(NAME, directory=folder / "cluster")["daemons"].values():
                group.add(int(daemon["pid"]))
        yield group


def daemons_cpu_s(cluster: Cluster) -> float:
    """Return the CPU seconds of the cluster's daemons so far, without their containers."""
    ticks = 0
    for daemon in status(NAME, directory=cluster.dir)["daemons"].values():
        fields = Path(f"/proc/{daemon['pid']}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])  # utime and stime
    return ticks / os.sysconf("SC_CLK_TCK")


def run_on(
    result: Result,
    number: int,
    command: Sequence[str],
    group: Group | None,
    env: Mapping[str, str],
) -> None:
    """Measure a client, and the cluster's CPU with it."""
    before = group.cpu_s() if group else 0.0
    result.loads.append(report.load())
    usage = measure(command, env=env)
    on_cluster = group.cpu_s() - before if group else 0.0
    result.usages[number] = usage._replace(cpu_s=usage.cpu_s + on_cluster)


def fetch(cluster: Cluster, name: str, folder: Path) -> None:
    """Copy a directory of the benchmark in HDFS to the local disk, and remove it there."""
    store = store_of(cluster)
    folder.mkdir()
    for file in store.files(name):
        with store.open(file) as source, (folder / Path(file).name).open("wb") as target:
            shutil.copyfileobj(source, target)
    store.delete(name)


def send(cluster: Cluster, bundles: Path, name: str) -> None:
    """Copy bundles to a directory of the benchmark in HDFS."""
    for path in sorted(bundles.iterdir()):
        store_of(cluster).send(f"{name}/{path.name}", path, 0, path.stat().st_size)


def race_on_hadoop(
    folder: Path, n_images: int, rounds: int, port_base: int, say: Say
) -> tuple[Measured, Layouts, Yarn, bool]:
    """Run ours, PySpark and the bare loop by turns; say whether the cluster's CPU is known."""
    layouts = lay_out(folder, n_images)
    few = lay_out(folder / "few", FEW)
    measured = Measured(Result(OURS), Result(SPARK), Result(CONTESTANTS[BARE]))
    if not SPARK.is_installed():
        measured.spark.fault = "not installed: run benchmarks/setup"
    with cluster_in(folder, port_base, say) as cluster:
        send(cluster, layouts.bundles, "bundles")
        send(cluster, few.bundles, "few")
        capacity = Yarn(yarn.task_slots(cluster.resourcemanager_url), container_mb(cluster))
        with daemons_in_group(folder) as group:
            wanted: Vectors = {}
            for number in range(rounds):
                _round(number, measured, layouts, cluster, capacity, group, wanted, say)
            known = group is not None
    return measured, layouts, capacity, known


def _round(
    number: int,
    measured: Measured,
    layouts: Layouts,
    cluster: Cluster,
    capacity: Yarn,
    group: Group | None,
    wanted: Vectors,
    say: Say,
) -> None:
    """Run the bare loop, ours on few images and on all, and PySpark, each once."""
    folder = layouts.files.parent
    output, told = folder / "output", folder / "facts.json"
    store = store_of(cluster)
    bare, ours, spark = measured.bare, measured.ours, measured.spark
    bare.loads.append(report.load())
    bare.usages[number] = measure(bare.contestant.command(layouts, output), env=ENVIRONMENT)
    _finish(bare, number, output, wanted, say)

    job = [sys.executable, "-m", "benchmarks.peers.hadoop_job", str(cluster.dir)]
    for source in ("few", "bundles"):  # the same number of tasks
        command = [*job, source, "output", str(layouts.n_images), str(told)]
        before_s = daemons_cpu_s(cluster)
        run_on(ours, number, command, group, ENVIRONMENT)
        of_daemons_s = daemons_cpu_s(cluster) - before_s
        if ours.usages[number].exit_code:
            break
        if source == "few":
            few_s, few_of_daemons_s = ours.usages[number].cpu_s, of_daemons_s
            store.delete("output")
    else:
        fetch(cluster, "output", output)
        measured.tasks = json.loads(told.read_text())[0]["maps"]
        more_s = ours.usages[number].cpu_s - few_s
        measured.steady_ms.append(more_s / (layouts.n_images - FEW) * 1e3)
        more_s -= of_daemons_s - few_of_daemons_s
        measured.task_ms.append(more_s / (layouts.n_images - FEW) * 1e3)
    _finish(ours, number, output, wanted, say)

    if spark.fault:
        return
    program = [str(BENCH_ENV / "bin" / "python"), str(HERE / "pyspark_yarn.py")]
    limits = [str(capacity.slots), str(capacity.container_mb)]
    conf = {"HADOOP_CONF_DIR": str(cluster.conf_dir), "YARN_CONF_DIR": str(cluster.conf_dir)}
    command = [*program, *limits, store.uri("bundles"), store.uri("output")]
    run_on(spark, number, command, group, ENVIRONMENT | conf)
    if spark.usages[number].exit_code == 0:
        fetch(cluster, "output", output)
    _finish(spark, number, output, wanted, say)


def _finish(result: Result, number: int, output: Path, wanted: Vectors, say: Say) -> None:
    """Judge the output and remove it."""
    usage: Usage = result.usages[number]
    judge(result, usage, output, wanted)
    shutil.rmtree(output, ignore_errors=True)
    say(
        f"round {number + 1}  {result.contestant.name:14}{usage.wall_s:8.2f} s wall"
        f"{usage.cpu_s:8.2f} s CPU  {result.fault or ''}"
    )


def container_mb(cluster: Cluster) -> int:
    """Return the memory of a task's container."""
    settings = ElementTree.parse(cluster.conf_dir / "mapred-site.xml").iter("property")  # noqa: S314  # ours
    values = {entry.findtext("name"): entry.findtext("value") for entry in settings}
    return int(values["mapreduce.map.memory.mb"] or 0)


def section(measured: Measured, layouts: Layouts, capacity: Yarn, known: bool, command: str) -> str:
    """Write the section of docs/benchmarks.md."""
    ours, spark, bare = measured.ours, measured.spark, measured.bare
    made = []
    for result in (ours, spark):
        if result.fault:
            made.append([result.contestant.title, *["-"] * 6, result.fault])
            continue
        cells = [result.contestant.title]
        for what in ("wall_s", "cpu_s"):
            unknown = what == "cpu_s" and not known
            cells.append("-" if unknown else f"{result.median(what):.1f}")
            cells.append("-" if unknown or ours.fault else spread(result.ratios(ours, what)))
        peak, rounds = f"{result.median('peak_mib'):.0f}", str(len(result.usages))
        made.append([*cells, peak, rounds, result.vectors])
    texts = [
        f"`{command}`, {report.today()}: {layouts.n_images:,} {layouts.what} in SequenceFiles in "
        f"HDFS, start-up and submission included. Both have {capacity.slots} tasks side by side in "
        f"containers of {capacity.container_mb} MiB with one core each, and one more for the "
        "application master. CPU is that of the client, the daemons and all containers.",
        report.table(HEAD, made),
    ]
    if known and measured.steady_ms and not bare.fault:
        bare_ms = [bare.usages[i].cpu_s / layouts.n_images * 1e3 for i in bare.usages]
        told = []
        for ms in (measured.task_ms, measured.steady_ms):
            ratios = [mine / beside for mine, beside in zip(ms, bare_ms, strict=False)]
            told.append(f"{statistics.median(ms):.2f} ms, {spread(ratios)} of the bare loop's")
        texts.append(
            f"Steady state, CPU an image, what this job takes more than one of {FEW} images with "
            f"as many map tasks ({measured.tasks}): in its own processes, JVMs and Python, "
            f"{told[0]} {statistics.median(bare_ms):.2f} ms in the same rounds, outside Hadoop; "
            f"with the daemons {told[1]}."
        )
    return "\n\n".join([*texts, f"{report.machine()}."])


OURS = CONTESTANTS["inline"]._replace(
    name="hadoop", title="**this project, -r hadoop**", check=CLOSE
)
SPARK = CONTESTANTS["pyspark_"]._replace(name="pyspark-yarn", title="PySpark on YARN", check=EXACT)

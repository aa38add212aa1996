"""How long the jobs of a run take, what they need, and what of it can never be granted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from math import ceil
from types import SimpleNamespace
from typing import Any, cast

from pipeline.config import Config
from pipeline.doctor_command import OBJECT_BYTES
from pipeline.full import side_by_side
from pipeline.plan_calibration import Calibration
from pipeline.plan_cluster import Capacity
from pipeline.plan_costs import (
    DEPLOY_S,
    DESTROY_S,
    DISK_MB_S,
    JOBS,
    NETWORK_MB_S,
    STEP_S,
    JobCosts,
)
from pipeline.plan_jobs import Job, StepWork
from pipeline.step import Context

_MIB = 1 << 20
_FOLDERS = 24  # directories, manifests and tables of one image store and one run
_SMALLER = "use --config fast, fewer or shorter features, or fewer classes"


@dataclass(frozen=True)
class Row:
    """A step of the plan: what its line shows.

    `beside` says that it begins with the step before, and does not wait for it; `in_master` how
    many of its jobs run inside their masters; memory is in MiB, of the largest task.
    """

    step: str
    beside: bool = False
    jobs: int = 0
    maps: int = 0
    reduces: int = 0
    in_master: int = 0
    read_bytes: int = 0
    written_bytes: int = 0
    shuffled_bytes: int = 0
    task_mb: int = 0
    driver_mb: int = 0
    cpu_s: float = 0.0
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return the row as plain JSON values."""
        rounded = {name: round(getattr(self, name), 1) for name in ("cpu_s", "seconds")}
        return {**asdict(self), **rounded}


def rows_of(
    steps: Sequence[StepWork],
    costs: Calibration,
    config: Config,
    capacity: Capacity,
    runner: str,
    *,
    deploys: bool,
) -> Iterator[Row]:
    """Yield the steps' rows, with those of deploying and destroying where the run does that."""
    if deploys:
        yield Row("deploy", seconds=DEPLOY_S)
    facts = SimpleNamespace(config=config, cluster=runner == "hadoop" or None)
    groups = side_by_side(cast(Context, facts))
    followers = {step.name for group in groups for step in group[1:]}
    for step in steps:
        row = _row(step, costs, capacity, runner)
        yield replace(row, beside=step.name in followers)
    if deploys:
        yield Row("destroy", seconds=DESTROY_S)


def wall_s(rows: Sequence[Row], capacity: Capacity) -> Iterator[tuple[list[str], float]]:
    """Yield (names, seconds) of the steps that run side by side, group by group.

    They take as long as the longest, or as all their work does on all cores.
    """
    cores = capacity.nodes * capacity.cores
    for group in beside_each_other(rows):
        work_s = sum(row.cpu_s for row in group) / cores if len(group) > 1 else 0.0
        yield [row.step for row in group], max(work_s, *(row.seconds for row in group))


def beside_each_other(rows: Sequence[Row]) -> list[list[Row]]:
    """Put each row to those that it runs beside."""
    groups: list[list[Row]] = []
    for row in rows:
        if row.beside and groups:
            groups[-1].append(row)
        else:
            groups.append([row])
    return groups


def _row(step: StepWork, costs: Calibration, capacity: Capacity, runner: str) -> Row:
    fixed = JOBS[runner]
    one_process = runner == "inline"
    task_mb = max((job.task_mb for job in step.jobs), default=0.0)
    driver_mb = max(step.driver_mb, costs.driver_mb, task_mb if one_process else 0.0)
    return Row(
        step.name,
        jobs=len(step.jobs),
        maps=sum(job.maps for job in step.jobs),
        reduces=sum(job.reduces for job in step.jobs),
        in_master=sum(is_small(job, capacity) for job in step.jobs),
        read_bytes=round(sum(job.read for job in step.jobs)),
        written_bytes=round(step.written + sum(job.written for job in step.jobs)),
        shuffled_bytes=round(sum(job.shuffled for job in step.jobs)),
        task_mb=0 if one_process or not step.jobs else round(task_mb + fixed.task_mb),
        driver_mb=round(driver_mb),
        cpu_s=step.driver_s + sum(_cpu_s(job, fixed) for job in step.jobs),
        seconds=STEP_S
        + step.driver_s
        + sum(seconds_of(job, capacity, runner) for job in step.jobs),
    )


def is_small(job: Job, capacity: Capacity) -> bool:
    """Say whether Hadoop runs a job inside its master, one task after another (uber mode)."""
    return (
        job.in_master
        and job.maps <= capacity.uber_maps
        and job.reduces <= capacity.uber_reduces
        and job.input_bytes <= capacity.uber_bytes
    )


def seconds_of(job: Job, capacity: Capacity, runner: str) -> float:
    """Return the wall time of one job."""
    fixed = JOBS[runner]
    shuffle_s = job.shuffled / _MIB * fixed.shuffle_ms / 1e3
    map_s = job.map_s + job.begin_s * job.maps + job.records * fixed.record_ms / 1e3
    reduce_s = job.reduce_s + shuffle_s
    if is_small(job, capacity):
        return fixed.job_s + (job.maps + job.reduces) * fixed.uber_task_s + map_s + reduce_s
    moved = _moved_s(job, capacity)
    if runner == "inline":
        return fixed.job_s + (job.maps + job.reduces) * fixed.task_s + map_s + reduce_s
    maps_s = _waves_s(job.maps, map_s, capacity, fixed)
    reduces_s = _waves_s(job.reduces, reduce_s, capacity, fixed)
    return fixed.job_s + fixed.containers_s + max(maps_s + reduces_s, moved)


def _waves_s(tasks: int, cpu_s: float, capacity: Capacity, fixed: JobCosts) -> float:
    """Return the wall time of tasks that share the slots, and where they are more, the cores."""
    if not tasks:
        return 0.0
    cores = capacity.nodes * capacity.cores
    slots = min(capacity.slots, cores) if fixed.containers_s == 0 else capacity.slots
    side_by_side = min(tasks, slots)
    waves = ceil(tasks / slots)
    crowded = max(1.0, side_by_side / cores)
    return waves * (fixed.task_s + cpu_s / tasks) * crowded


def _moved_s(job: Job, capacity: Capacity) -> float:
    """Return how long the disks and the network need at least, were computing for nothing."""
    disk = job.read + job.written * capacity.replication + 2 * job.shuffled
    remote = (job.shuffled + job.written * (capacity.replication - 1)) * (1 - 1 / capacity.nodes)
    return max(disk / DISK_MB_S, remote / NETWORK_MB_S) / _MIB / capacity.nodes


def _cpu_s(job: Job, fixed: JobCosts) -> float:
    tasks_s = (job.maps + job.reduces) * (fixed.task_s + job.begin_s)
    shuffle_s = job.shuffled / _MIB * fixed.shuffle_ms / 1e3
    work_s = job.map_s + job.reduce_s + job.records * fixed.record_ms / 1e3 + shuffle_s
    return work_s + tasks_s + fixed.job_cpu_s


def totals_of(
    rows: Sequence[Row], steps: Sequence[StepWork], capacity: Capacity, *, hdfs: bool
) -> dict[str, Any]:
    """Add up a plan.

    Returns
    -------
    minutes, cpu_hours; of HDFS, or of this disk: stored_bytes at the end and peak_bytes, both with
    all replicas, and shuffle_bytes on the nodes' own disks; namenode_objects (files, blocks and
    directories) and namenode_bytes, of its heap.
    """
    written = {row.step: row.written_bytes for row in rows}
    kept = sum(n for step, n in written.items() if step not in ("ingest", "codebook", "train"))
    peak = max(kept, written.get("ingest", 0) + written.get("bundle", 0))
    objects = _FOLDERS + sum(_objects(step, written[step.name], capacity) for step in steps)
    return {
        "minutes": round(sum(seconds for _, seconds in wall_s(rows, capacity)) / 60, 2),
        "cpu_hours": round(sum(row.cpu_s for row in rows) / 3600, 3),
        "stored_bytes": kept * capacity.replication,
        "peak_bytes": peak * capacity.replication,
        "shuffle_bytes": max((row.shuffled_bytes for row in rows), default=0),
        "namenode_objects": objects if hdfs else 0,
        "namenode_bytes": objects * OBJECT_BYTES if hdfs else 0,
    }


def _objects(step: StepWork, written: int, capacity: Capacity) -> int:
    """Count the files that a step leaves, and their blocks."""
    if step.name == "ingest" or not step.files:  # the plans are gone after bundling
        return 0
    return step.files * (1 + ceil(written / step.files / capacity.block_bytes))


def refusals(
    steps: Sequence[StepWork],
    rows: Sequence[Row],
    totals: dict[str, Any],
    capacity: Capacity,
    runner: str,
) -> Iterator[str]:
    """Yield a sentence for each thing that can never be granted."""
    by_step = {row.step: row for row in rows}
    for step in steps:
        yield from _too_large(step, by_step[step.name], capacity, runner)
    if capacity.replication > capacity.nodes:
        yield (
            f"replication {capacity.replication} needs as many nodes, and there are "
            f"{capacity.nodes}; lower hdfs_replication in ansible/group_vars/all"
        )
    wanted = totals["peak_bytes"] + totals["shuffle_bytes"]
    if capacity.free_bytes is not None and wanted > capacity.free_bytes:
        yield (
            f"the disks must hold {wanted / 1e9:,.0f} GB ({capacity.replication} copies, and the "
            f"shuffle), and {capacity.free_bytes / 1e9:,.0f} GB are free; free some, or use more "
            "nodes"
        )


def _too_large(step: StepWork, row: Row, capacity: Capacity, runner: str) -> Iterator[str]:
    holds = max(step.jobs, key=lambda job: job.task_mb).holds if step.jobs else ""
    told = f" ({holds})" if holds else ""
    if runner == "hadoop" and row.task_mb > capacity.max_container_mb:
        yield (
            f"{step.name}: a task needs {row.task_mb:,} MiB{told}, and no container of YARN is "
            f"larger than {capacity.max_container_mb:,} MiB; {_SMALLER}"
        )
    elif runner == "hadoop" and row.task_mb > capacity.container_mb:
        yield (
            f"{step.name}: a task needs {row.task_mb:,} MiB{told}, and a container has "
            f"{capacity.container_mb:,} MiB; raise cluster_container_mb in "
            f"ansible/group_vars/all, or {_SMALLER}"
        )
    elif row.task_mb > capacity.container_mb:
        yield (
            f"{step.name}: {capacity.cores} tasks need {row.task_mb:,} MiB each{told}, and this "
            f"machine has {capacity.driver_mb:,} MiB; {_SMALLER}"
        )
    if row.driver_mb > capacity.driver_mb:
        told = f" ({step.holds})" if step.holds else told
        yield (
            f"{step.name}: the driver needs {row.driver_mb:,} MiB{told}, and this machine has "
            f"{capacity.driver_mb:,} MiB; {_SMALLER}"
        )

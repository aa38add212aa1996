"""The jobs of a planned run: how many tasks, what they read and write, how long they compute.

Numbers of tasks, and what is done by a job or in the driver, follow the code that decides it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from math import ceil

from mr_jobs.job import BundleInput, ImageJob, WholeBundleInput
from mr_jobs.lib.input_splits import divide
from pipeline.config import Config
from pipeline.plan_calibration import Calibration
from pipeline.plan_cluster import Capacity
from pipeline.plan_costs import SEND_MB_S
from pipeline.plan_data import Amounts
from pipeline.split_step import REDUCER_BYTES
from pipeline.task_sizes import count_tasks

MB = 1 << 20
KEY_BYTES = 60  # of a record, with its head
BASE64 = 4 / 3


@dataclass(frozen=True)
class Job:
    """A job of a step; bytes are those of all its tasks, seconds are of CPU.

    Attributes
    ----------
    records : that go into its tasks, and out of them.
    input_bytes : of its input as Hadoop sees it; `read` is what it reads.
    in_master : whether it may run inside its master, if it is small.
    task_mb, holds : memory of its largest task's Python process, and what that is for.
    begin_s : what each task computes before its first record, beside starting.
    """

    maps: int
    input_bytes: float
    reduces: int = 0
    in_master: bool = True
    records: int = 0
    read: float = 0.0
    written: float = 0.0
    shuffled: float = 0.0
    map_s: float = 0.0
    reduce_s: float = 0.0
    begin_s: float = 0.0
    task_mb: float = 0.0
    holds: str = ""


@dataclass
class StepWork:
    """A step: its jobs, and what the driver does beside them.

    `driver_mb` and `holds` are its memory and what that is for; `written` are bytes that it sends,
    `files` how many files the step leaves.
    """

    name: str
    jobs: list[Job] = field(default_factory=list)
    driver_s: float = 0.0
    driver_mb: float = 0.0
    holds: str = ""
    written: float = 0.0
    files: int = 0


@dataclass(frozen=True)
class Pass:
    """Work over descriptors or vectors that adds up sums: by a job, or in the driver.

    It takes `seconds` of CPU and holds `held_mb`; each task sends `sums_bytes`, and the one that
    reads the end of one of its `parts` twice so much.
    """

    job: type[ImageJob]
    seconds: float
    sums_bytes: float
    held_mb: float = 0.0
    holds: str = ""
    reduces: int = 1
    parts: int = 1


class JobMaker:
    """Makes the jobs of a run.

    Parameters
    ----------
    simulated : the runner is local or inline, which divide their input in their own way.
    apart : tasks are processes of their own.

    Attributes
    ----------
    vectors_bytes : of all vectors with their keys.
    shards : files that the vectors are divided into.
    sums_bytes : of one number for each class and value of a vector.
    begin_s : what a task takes to get ready to load a model.
    pass_s : how long the driver takes to go through the catalogue once.
    """

    def __init__(
        self,
        amounts: Amounts,
        config: Config,
        costs: Calibration,
        capacity: Capacity,
        *,
        simulated: bool,
        apart: bool,
    ) -> None:
        self.amounts = amounts
        self.config = config
        self.costs = costs
        self.simulated = simulated
        self._capacity = capacity
        self.n_features = config.features.n_features
        self.vectors_bytes = amounts.images * (4 * self.n_features + KEY_BYTES)
        self.shards = self.reduces(1 + amounts.images * 4 * self.n_features // REDUCER_BYTES)
        self.sums_bytes = 8 * amounts.classes * self.n_features
        self.begin_s = costs.model_s if apart else 0.0
        self.pass_s = amounts.images * costs.row_ms / 1e3

    def maps(self, job: type[ImageJob], files: int, n_bytes: float, records: int) -> int:
        """Count a job's map tasks; its input is so many files of one size."""
        capacity = self._capacity
        if not issubclass(job, BundleInput):
            size = min(max(1.0, n_bytes / capacity.hinted_maps), capacity.block_bytes)
            return max(files, ceil(n_bytes / size))
        if self.simulated:
            return len(divide([("input", round(n_bytes))], os.cpu_count() or 1))
        if issubclass(job, WholeBundleInput):
            return files
        worth = job.RECORDS_WORTH_A_TASK
        return count_tasks(records, round(n_bytes), capacity.slots, worth=worth)

    def reduces(self, n: int) -> int:
        """Count the reduce tasks of a job that asks for n; the simulated runners do not listen."""
        return self._capacity.hinted_maps if self.simulated else n

    def job(
        self, job: type[ImageJob], files: int, n_bytes: float, records: int, **more: float | str
    ) -> Job:
        """Make a job over files; what is not said of it follows from its class."""
        maps = self.maps(job, files, n_bytes, records)
        cut = issubclass(job, BundleInput) and not issubclass(job, WholeBundleInput)
        told = {"read": n_bytes, "task_mb": self.costs.task_mb, "records": records, **more}
        in_master = maps == 1 or not cut  # several tasks of a job that is cut run side by side
        return Job(maps, n_bytes, in_master=in_master, **told)  # type: ignore[arg-type]

    def over_images(self, job: type[ImageJob], seconds: float, written: float) -> Job:
        """Make a job over the bundles that decodes images."""
        amounts, costs = self.amounts, self.costs
        return self.job(
            job,
            amounts.bundles,
            amounts.bundle_bytes,
            amounts.images,
            written=written,
            map_s=seconds + amounts.images * costs.record_ms / 1e3,
            task_mb=costs.task_mb + 2 * costs.largest_bytes / MB,
            holds="the largest image, decoded in full",
        )

    def add_pass(
        self, step: StepWork, work: Pass, files: int, n_bytes: float, records: int
    ) -> None:
        """Add a pass to a step, as `pipeline.passes` makes it: over little in the driver."""
        begun_mb = self.costs.driver_mb
        if n_bytes <= self.config.passes.here_mb * MB:
            read_s = n_bytes / MB / SEND_MB_S if not self.simulated else 0.0
            step.driver_s += work.seconds + read_s + records * self.costs.record_ms / 1e3
            hold(step, begun_mb + work.held_mb, work.holds)
            return
        maps = self.maps(work.job, files, n_bytes, records)
        shuffled = work.sums_bytes * (maps + work.parts - 1) * BASE64
        step.jobs.append(
            self.job(
                work.job,
                files,
                n_bytes,
                records,
                reduces=self.reduces(work.reduces),
                shuffled=shuffled,
                written=work.sums_bytes * work.parts,
                map_s=work.seconds + records * self.costs.record_ms / 1e3,
                reduce_s=2e-3 * shuffled / MB,
                task_mb=self.costs.task_mb + work.held_mb,
                holds=work.holds,
            )
        )


def hold(step: StepWork, held_mb: float, holds: str) -> None:
    """Note what the driver holds in a step, if it is the most so far."""
    if held_mb > step.driver_mb:
        step.driver_mb, step.holds = held_mb, holds

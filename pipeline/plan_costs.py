"""The fixed parts of a run: what a job, a task, a deployment cost however many images there are.

Seconds of wall time on two cores with jars cached, memory in MiB. This is the one place for them;
`python -m benchmarks.scale --fixed --runner RUNNER` measures those of jobs and tasks anew and
prints them in this form, deploy and destroy are in the table of `bin/pipeline full`.
"""

from __future__ import annotations

from typing import NamedTuple


class JobCosts(NamedTuple):
    """What a job costs on a runner beside the work on its records.

    Attributes
    ----------
    job_s : from the first thing the driver does to the last, without any task.
    task_s : to start a task and to end it; where several run side by side, of each wave of them.
    uber_task_s : likewise inside the job's master, one after another.
    containers_s : more for a job whose tasks have containers of their own.
    job_cpu_s : CPU of all that, without its tasks.
    record_ms : CPU of a record on its way into a task and out of it, beside the task's own.
    shuffle_ms : CPU of a MiB on its way from the mappers to the reducers.
    task_mb : memory of a task beside that of its Python process.
    """

    job_s: float
    task_s: float
    uber_task_s: float = 0.0
    containers_s: float = 0.0
    job_cpu_s: float = 0.0
    record_ms: float = 0.0
    shuffle_ms: float = 0.0
    task_mb: float = 0.0


JOBS = {
    "hadoop": JobCosts(
        job_s=3.9,
        task_s=2.5,
        uber_task_s=0.5,
        containers_s=2.0,
        job_cpu_s=6.0,
        record_ms=0.15,
        shuffle_ms=25.0,
        task_mb=220.0,
    ),
    "local": JobCosts(job_s=0.2, task_s=0.3, job_cpu_s=0.1, shuffle_ms=15.0),
    "inline": JobCosts(job_s=0.04, task_s=0.01, job_cpu_s=0.04, shuffle_ms=10.0),
}
DEPLOY_S, DESTROY_S = 15.4, 5.2
STEP_S = 0.02  # of a step beside its jobs: manifests and counts
SEED_S = 0.8  # to choose where the codebook of a feature begins
INDEX_S, INDEX_ROW_MS = 0.45, 0.01
SAVE_S = 2.0
INGEST_MS = 0.03  # of an image: its header is read
SEND_MB_S = 80.0  # raw images into HDFS, from one disk
DISK_MB_S, NETWORK_MB_S = 150.0, 110.0  # of a node: a hard disk, and a network of 1 Gbit/s

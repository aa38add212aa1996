"""What a job is, and the arguments by which mrjob runs it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from mr_jobs.job import BundleInput, ImageJob, WholeBundleInput
from pipeline import worker_env, yarn
from pipeline.cluster_mark import Cluster
from pipeline.job_files import code_archive
from pipeline.stores import HdfsStore, Store
from pipeline.task_sizes import count_tasks

UPLOADS = "tmp"  # what mrjob uploads for a job, below the cluster's HDFS directory
# They choose NumPy's and OpenBLAS's code for a processor: tasks and driver have to choose the same,
# or the last bits of their products differ.
_KERNELS = ("OPENBLAS_", "NPY_")
# On a cluster of somebody else; less of the address space than a JVM takes by itself.
_TASK_JVM = "-Xmx512m -XX:+UseSerialGC -XX:CompressedClassSpaceSize=128m"


@dataclass(frozen=True)
class JobSpec:
    """One job: its class, arguments, inputs and output, and what to expect.

    `output` is the name of a directory in `store`, which is there when the job has succeeded;
    `counter` names the counter of group `images` that follows the progress, of `total`.
    """

    name: str
    job: type[ImageJob]
    inputs: Sequence[str]
    store: Store
    output: str
    args: Sequence[str] = ()
    jobconf: Sequence[str] = ()
    counter: str = "read"
    total: int = 0


def job_arguments(
    spec: JobSpec,
    runner: str,
    run_id: str,
    tmp: str,
    output: str,
    cluster: Cluster | None,
    jobconf: Sequence[str],
    note: Callable[[str], None],
) -> list[str]:
    """Return the arguments for the class of a job.

    Parameters
    ----------
    tmp : directory on this machine for mrjob's files.
    output : name of the directory in the spec's store for what this try of the job writes.
    jobconf : settings NAME=VALUE that beat those of the job.
    note : called with a line when there is something to wait for.
    """
    args = [
        "-r",
        runner,
        "--local-tmp-dir",
        tmp,
        "--output-dir",
        spec.store.uri(output),
        *spec.args,
    ]
    if cluster:
        args += _cluster_arguments(cluster, note)
        settings = [f"mapreduce.job.name={run_id} {spec.name}", *_task_settings(spec, cluster)]
        for setting in (*settings, *spec.jobconf, *jobconf):
            args += ["-D", setting]
    return [*args, *spec.inputs]


def _cluster_arguments(cluster: Cluster, note: Callable[[str], None]) -> list[str]:
    """Say where the programs are, the tasks' code, and the directory for uploads."""
    args = ["--hadoop-bin", str(cluster.hadoop_bin)]
    args += ["--hadoop-streaming-jar", str(cluster.streaming_jar)]
    args += ["--hadoop-tmp-dir", cluster.in_hdfs(UPLOADS)]
    args += ["--cleanup", "LOCAL_TMP"]  # HDFS is tidied without a JVM
    args += ["--archives", code_archive(cluster)]
    if cluster.packages:
        args += ["--archives", worker_env.archive(cluster, note)]
        args += ["--cmdenv", f"PYTHONPATH={worker_env.ARCHIVE_NAME}"]  # before that of mrjob.conf
        for task in ("map", "reduce"):
            args += ["-D", f"mapreduce.{task}.memory.mb={cluster.task_mb}"]
            args += ["-D", f"mapreduce.{task}.java.opts={_TASK_JVM}"]
    if cluster.python_bin:
        args += ["--python-bin", cluster.python_bin]
    if cluster.queue:
        args += ["-D", f"mapreduce.job.queuename={cluster.queue}"]
    for name in sorted(name for name in os.environ if name.startswith(_KERNELS)):
        args += ["--cmdenv", f"{name}={os.environ[name]}"]
    return args


def _task_settings(spec: JobSpec, cluster: Cluster) -> list[str]:
    """Cut the input of a job that may read several files in a task."""
    if not issubclass(spec.job, BundleInput) or issubclass(spec.job, WholeBundleInput):
        return []
    hdfs = HdfsStore(cluster.webhdfs_url, cluster.fs_uri, "/")
    n_bytes = sum(hdfs.summary(urlsplit(uri).path)["length"] for uri in spec.inputs)
    slots = yarn.task_slots(cluster.resourcemanager_url)
    n_tasks = count_tasks(spec.total, n_bytes, slots, worth=spec.job.RECORDS_WORTH_A_TASK)
    settings = [f"mapreduce.input.fileinputformat.split.maxsize={max(1, n_bytes // n_tasks)}"]
    return settings + (["mapreduce.job.ubertask.enable=false"] if n_tasks > 1 else [])

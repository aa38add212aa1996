"""Run the MapReduce jobs on a runner, watch them, and say why one failed. The only mrjob caller."""

from __future__ import annotations

import logging
import os
import re
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from mrjob.step import StepFailedException

from mr_jobs.job import ImageJob
from mr_jobs.lib.errors import ClusterError, DataError, JobError, PipelineError, is_full_disk
from pipeline import failures, yarn
from pipeline.cluster import Cluster
from pipeline.progress import Progress
from pipeline.stores import HdfsStore

_POLL_S = 0.5
_NODELESS_S = 10.0
_MRJOB_DIR = "/tmp/mrjob"  # noqa: S108  # in HDFS
_APPLICATION = re.compile(r"\b(application_\d+_\d+)\b")
# They choose NumPy's and OpenBLAS's code for a processor: tasks and driver have to choose the same,
# or the last bits of their products differ.
_KERNELS = ("OPENBLAS_", "NPY_")
_COUNTER_LINE = b"reporter:counter:images,"


@dataclass(frozen=True)
class JobSpec:
    """One job: its class, arguments, inputs and output, and what to expect.

    `counter` names the counter of group `images` that follows the progress, of `total`; `clear`
    removes what a failed try left of the output.
    """

    name: str
    job: type[ImageJob]
    inputs: Sequence[str]
    output: str
    clear: Callable[[], None]
    args: Sequence[str] = ()
    jobconf: Sequence[str] = ()
    counter: str = "read"
    total: int = 0


@dataclass
class JobResult:
    """Counters of group `images`, where the job ran, and what its client complained of last."""

    counters: dict[str, int] = field(default_factory=dict)
    application_id: str | None = None
    complaint: str | None = None


def run_job(
    spec: JobSpec, runner: str, run_id: str, progress: Progress, cluster: Cluster | None
) -> JobResult:
    """Run a job to its end.

    A small job on a cluster runs inside its application master (uber mode), where a failed task is
    not tried again; so a failed one is run once more as an ordinary job.

    Raises
    ------
    JobError
        If it failed; the sentence holds the task's own traceback.
    DataError
        If its cause is damaged input.
    """
    if cluster is None:
        return _run_once(spec, runner, run_id, progress, None, [])
    try:
        return _run_once(spec, runner, run_id, progress, cluster, [])
    except JobError as error:
        yarn.require_nodes(cluster.resourcemanager_url)
        progress.note(f"tried once more, as a job with tasks of its own: {error}")
        spec.clear()
        return _run_once(
            spec, runner, run_id, progress, cluster, ["mapreduce.job.ubertask.enable=false"]
        )


def _run_once(
    spec: JobSpec,
    runner: str,
    run_id: str,
    progress: Progress,
    cluster: Cluster | None,
    jobconf: Sequence[str],
) -> JobResult:
    result = JobResult()
    with TemporaryDirectory(prefix="pipeline-job-") as tmp, _driver_log(result, progress, cluster):
        job = spec.job(_arguments(spec, runner, run_id, tmp, cluster, jobconf))
        poll = _hadoop_poll(result, spec, cluster) if cluster else _local_poll(Path(tmp), spec)
        with job.make_runner() as mrjob_runner, _watched(poll, spec, progress):
            try:
                mrjob_runner.run()
            except StepFailedException as error:
                raise _failure(spec, Path(tmp), result, cluster) from error
            except (PipelineError, OSError, ValueError) as error:
                if isinstance(error, PipelineError) or is_full_disk(error):
                    raise
                told = "".join(traceback.format_exception(error)).rstrip()
                raise JobError(f"the job {spec.name} failed: \n{told}") from error
            finally:
                _remove_uploads(cluster, mrjob_runner.get_job_key())
            for step in mrjob_runner.counters():
                result.counters.update(step.get("images", {}))
    return result


def _remove_uploads(cluster: Cluster | None, job_key: str) -> None:
    """Remove what mrjob put into HDFS for a job; where HDFS is gone, so is that."""
    if cluster:
        with suppress(ClusterError):
            HdfsStore(cluster.webhdfs_url, cluster.fs_uri, _MRJOB_DIR).delete(job_key)


def _arguments(
    spec: JobSpec,
    runner: str,
    run_id: str,
    tmp: str,
    cluster: Cluster | None,
    jobconf: Sequence[str],
) -> list[str]:
    args = ["-r", runner, "--local-tmp-dir", tmp, "--output-dir", spec.output, *spec.args]
    if cluster:
        args += ["--hadoop-bin", str(cluster.hadoop_bin)]
        args += ["--hadoop-streaming-jar", str(cluster.streaming_jar)]
        args += ["--hadoop-tmp-dir", _MRJOB_DIR, "--cleanup", "LOCAL_TMP"]  # tidied without a JVM
        for name in sorted(name for name in os.environ if name.startswith(_KERNELS)):
            args += ["--cmdenv", f"{name}={os.environ[name]}"]
        for setting in (f"mapreduce.job.name={run_id} {spec.name}", *spec.jobconf, *jobconf):
            args += ["-D", setting]
    return [*args, *spec.inputs]


def _failure(spec: JobSpec, tmp: Path, result: JobResult, cluster: Cluster | None) -> PipelineError:
    """Say why a job failed, by its tasks' own words."""
    if cluster and result.application_id:
        logs = cluster.userlogs_dir / result.application_id
        cause = failures.from_containers(logs) or yarn.diagnostics(
            cluster.resourcemanager_url, result.application_id
        )
    else:
        cause = failures.from_files(tmp.rglob("stderr"))
    damage = failures.data_error(cause)
    if damage:
        return DataError(f"{spec.name}: {damage}")
    where = f" (application {result.application_id})" if result.application_id else ""
    return JobError(
        f"the job {spec.name}{where} failed: {cause or result.complaint or 'it left no reason'}"
    )


@contextmanager
def _driver_log(result: JobResult, progress: Progress, cluster: Cluster | None) -> Iterator[None]:
    """Follow mrjob's own log for the application's id, instead of printing it."""

    class Follow(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            message = record.getMessage()
            if record.levelno >= logging.ERROR or "Exception" in message:
                result.complaint = message.strip().splitlines()[0]
            found = _APPLICATION.search(message)
            if found and cluster and found.group(1) != result.application_id:
                result.application_id = found.group(1)
                page = f"{cluster.resourcemanager_url}/cluster/app/{result.application_id}"
                progress.note(f"YARN application {result.application_id}, {page}")

    logger = logging.getLogger("mrjob")
    handler = Follow(logging.INFO)
    level, propagate = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagate


@contextmanager
def _watched(poll: Callable[[], int], spec: JobSpec, progress: Progress) -> Iterator[None]:
    """Show the progress that `poll` gives, from a thread of its own, while the job runs."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(_POLL_S):
            progress.update(poll(), spec.total)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _hadoop_poll(result: JobResult, spec: JobSpec, cluster: Cluster) -> Callable[[], int]:
    nodeless = 0

    def poll() -> int:
        nonlocal nodeless
        if result.application_id is None:
            return 0
        nodeless = 0 if yarn.active_nodes(cluster.resourcemanager_url) else nodeless + 1
        if nodeless * _POLL_S >= _NODELESS_S:  # it would wait for a node for ever
            yarn.kill(cluster.resourcemanager_url, result.application_id)
        return yarn.job_counter(cluster.resourcemanager_url, result.application_id, spec.counter)

    return poll


def _local_poll(tmp: Path, spec: JobSpec) -> Callable[[], int]:
    """Count what the simulated tasks have reported so far, from their standard error files."""
    wanted = _COUNTER_LINE + spec.counter.encode() + b","
    read: dict[Path, int] = {}
    done = 0

    def poll() -> int:
        nonlocal done
        for path in tmp.glob("*/step/*/mapper/*/stderr"):
            with path.open("rb") as file:
                file.seek(read.get(path, 0))
                new = file.read()
            whole = new[: new.rfind(b"\n") + 1]
            read[path] = read.get(path, 0) + len(whole)
            done += whole.count(wanted)
        return done

    return poll

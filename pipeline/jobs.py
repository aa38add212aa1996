"""Run the MapReduce jobs on a runner, watch them, and say why one failed. The only mrjob caller."""

from __future__ import annotations

import logging
import re
import threading
import time
import traceback
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from mrjob.step import StepFailedException

from mr_jobs.lib.errors import ClusterError, DataError, JobError, PipelineError, is_full_disk
from pipeline import failures, job_logs, yarn
from pipeline.cluster import Cluster
from pipeline.job_arguments import UPLOADS, JobSpec, job_arguments
from pipeline.job_facts import facts_of
from pipeline.job_files import WebHdfsFilesystem
from pipeline.job_watch import Watch, cluster_error
from pipeline.job_watch_causes import NeverRunsError, refusal
from pipeline.progress import Progress
from pipeline.stores import HdfsStore

_MRJOB_LOG = logging.getLogger("mrjob")
_POLL_S, _LATER_POLL_S = 0.5, 2.0  # each wakes YARN's processes; later ones of a job that lasts
_APPLICATION = re.compile(r"\b(application_\d+_\d+)\b")


@dataclass
class JobResult:
    """What a job counted and cost, where it ran, and what its client complained of last.

    `counters` are those of the group `images`; `facts` are of each of its MapReduce steps, see
    `job_facts.facts_of`.
    """

    counters: dict[str, int] = field(default_factory=dict)
    facts: list[dict[str, int | None]] = field(default_factory=list)
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
    ClusterError
        If the cluster is not well enough to run it.
    DataError
        If its cause is damaged input.
    """
    if cluster is None:
        return _run_once(spec, runner, run_id, progress, None, [])
    try:
        return _run_once(spec, runner, run_id, progress, cluster, [])
    except NeverRunsError:
        raise
    except JobError as error:
        progress.note(f"tried once more, as a job with tasks of its own: {error}")
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
    # Each try has a directory of its own: seconds after its job, an application master deletes
    # OUTPUT/_temporary, which would by then be the next job's.
    tries = f"work/tries/{spec.name}"
    output = f"{tries}/{uuid.uuid4().hex[:8]}"
    spec.store.delete(tries)  # of a pipeline that was killed
    with TemporaryDirectory(prefix="pipeline-job-") as tmp, _driver_log(result, progress, cluster):
        job = spec.job(
            job_arguments(spec, runner, run_id, tmp, output, cluster, jobconf, progress.note)
        )
        watch = Watch(cluster, f"{run_id} {spec.name}", spec.counter, progress) if cluster else None
        poll = _hadoop_poll(watch, result) if watch else local_poll(Path(tmp), spec)
        with job.make_runner() as mrjob_runner, _watched(poll, spec, progress):
            if cluster:
                mrjob_runner.fs.hadoop = WebHdfsFilesystem(cluster)
            try:
                mrjob_runner.run()
            except KeyboardInterrupt:
                if cluster and result.application_id:  # it would go on without its pipeline
                    yarn.kill(cluster.resourcemanager_url, result.application_id)
                raise
            except StepFailedException as error:
                ended = watch.verdict if watch else None
                raise ended or _failure(spec, Path(tmp), result, cluster) from error
            except (PipelineError, OSError, ValueError) as error:
                if isinstance(error, PipelineError) or is_full_disk(error):
                    raise
                told = "".join(traceback.format_exception(error)).rstrip()
                raise JobError(f"the job {spec.name} failed: \n{told}") from error
            finally:
                _remove_uploads(cluster, mrjob_runner.get_job_key())
            for step in mrjob_runner.counters():
                result.counters.update(step.get("images", {}))
                result.facts.append(facts_of(step))
    spec.store.delete(spec.output)
    spec.store.rename(output, spec.output)
    spec.store.delete(tries)
    return result


def _remove_uploads(cluster: Cluster | None, job_key: str) -> None:
    """Remove what mrjob put into HDFS for a job; where HDFS is gone, so is that."""
    if cluster:
        with suppress(ClusterError):
            HdfsStore(cluster.webhdfs_url, cluster.fs_uri, cluster.in_hdfs(UPLOADS)).delete(job_key)


def _failure(spec: JobSpec, tmp: Path, result: JobResult, cluster: Cluster | None) -> PipelineError:
    """Say why a job failed, by its tasks' own words."""
    logs = None
    if cluster and result.application_id:
        logs = cluster.userlogs_dir / result.application_id
        if not logs.is_dir():  # they are on other hosts
            logs = job_logs.fetch(cluster, result.application_id, tmp)
        cause = failures.from_containers(logs) or yarn.diagnostics(
            cluster.resourcemanager_url, result.application_id
        )
    else:
        cause = failures.from_files(tmp.rglob("stderr"))
    damage = failures.data_error(cause)
    if damage:
        return DataError(f"{spec.name}: {damage}")
    refused = refusal(f"{cause or ''} {result.complaint or ''}")
    if cluster and refused:
        return NeverRunsError(f"the job {spec.name} cannot run: {refused}")
    trouble = cluster_error(cluster) if cluster else None
    if trouble:
        return trouble
    damage = failures.damaged_bundles(logs) if logs else None
    if damage:
        return DataError(f"{spec.name}: {damage}")
    where = f" (application {result.application_id})" if result.application_id else ""
    return JobError(
        f"the job {spec.name}{where} failed: {cause or result.complaint or 'it left no reason'}"
    )


@contextmanager
def _driver_log(result: JobResult, progress: Progress, cluster: Cluster | None) -> Iterator[None]:
    """Follow mrjob's own log for the application's id, instead of printing it.

    Jobs that run side by side have a thread each.
    """
    thread = threading.get_ident()

    class Follow(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.thread != thread:
                return
            message = record.getMessage()
            if record.levelno >= logging.ERROR or "Exception" in message:
                result.complaint = message.strip().splitlines()[0]
            found = _APPLICATION.search(message)
            if found and cluster and found.group(1) != result.application_id:
                result.application_id = found.group(1)
                page = f"{cluster.resourcemanager_url}/cluster/app/{result.application_id}"
                progress.note(f"YARN application {result.application_id}, {page}")

    handler = Follow(logging.INFO)
    _MRJOB_LOG.addHandler(handler)
    _MRJOB_LOG.setLevel(logging.INFO)
    _MRJOB_LOG.propagate = False
    try:
        yield
    finally:
        _MRJOB_LOG.removeHandler(handler)


@contextmanager
def _watched(poll: Callable[[], int], spec: JobSpec, progress: Progress) -> Iterator[None]:
    """Show the progress that `poll` gives, from a thread of its own, while the job runs."""
    over = threading.Event()

    def watch() -> None:
        began = time.monotonic()
        while not over.wait(min(max(_POLL_S, (time.monotonic() - began) / 20), _LATER_POLL_S)):
            progress.update(poll(), spec.total)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _hadoop_poll(watch: Watch, result: JobResult) -> Callable[[], int]:
    return lambda: watch.look(result.application_id)


def local_poll(tmp: Path, spec: JobSpec) -> Callable[[], int]:
    """Count what the simulated tasks have reported so far, from their standard error files."""
    told = re.compile(rb"^reporter:counter:images,%s,(\d+)$" % spec.counter.encode(), re.MULTILINE)
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
            done += sum(map(int, told.findall(whole)))
        return done

    return poll

"""Run the steps of a run in order, on a cluster that comes before and goes after."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from mr_jobs.lib.errors import ClusterError, ConfigError
from pipeline import cluster as clusters
from pipeline import hbase_store, yarn
from pipeline.config import Config, fingerprint
from pipeline.data_steps import INGEST
from pipeline.images import images_at
from pipeline.progress import Progress
from pipeline.run_cluster import deploy, destroy, existing_cluster, wanted_existing
from pipeline.runs import Run
from pipeline.save_step import SAVE, result_of, saved_dir
from pipeline.step import Context, Step, do_step, is_done
from pipeline.steps import STEPS
from pipeline.stores import HdfsStore, LocalStore

STEP_NAMES = ("deploy", *STEPS, "destroy")
_HDFS_IS_UP = "Write, read and delete a file, and run a streaming job"  # the task after its start


def open_context(run: Run, cluster: clusters.Cluster | None) -> Context:
    """Say where a run's outputs are: in the cluster's HDFS, or in the run's own directory."""
    config, images = Config.from_dict(run.config), images_at(run.images, cluster)
    if cluster is None:
        return Context(run, config, LocalStore(run.dir / "work"), images)
    store = HdfsStore(cluster.webhdfs_url, cluster.fs_uri, cluster.in_hdfs("runs", run.run_id))
    return Context(run, config, store, images)


def full(run: Run, *, keep: bool) -> dict[str, Any]:
    """Do every step of a run that is not done yet; return the result.

    The cluster that this run made is destroyed at the end, also after an error or Ctrl-C, unless
    `keep`; one that was there before is left alone.
    """
    with interrupts_as_errors(), only_driver(run):
        if _is_finished(run):
            return _finished(run)
        if run.runner != "hadoop":
            with _intermediate_outputs(run, keep=keep):
                return _steps(run, None)
        return _on_a_cluster(run, keep=keep)


def _is_finished(run: Run) -> bool:
    """Say whether the results are saved for these data and settings; the rest may be gone."""
    if run.data.startswith("hdfs:"):
        return False  # what the data are cannot be seen without their cluster
    saved = (run.dir / SAVE.makes / "_manifest.json").is_file() and saved_dir(run).is_dir()
    if not (run.finished and saved):
        return False
    return run.finished == _results_fingerprint(open_context(run, None))


def _results_fingerprint(context: Context) -> str:
    """Return what changes when the results would: nothing of the intermediate outputs is needed."""
    run = context.run
    return fingerprint([context.data_fingerprint(), run.config, run.allow_damaged, run.where])


def _finished(run: Run) -> dict[str, Any]:
    """Return the saved result; a cluster left by a killed run is destroyed."""
    from models.artifact import verify  # imports scikit-learn

    verify(saved_dir(run))
    print(f"run {run.run_id} is finished: nothing to do", file=sys.stderr)
    result = result_of(run)
    if run.cluster_id:
        result["receipt"] = destroy(run, discard=True)
    return result


def _on_a_cluster(run: Run, *, keep: bool) -> dict[str, Any]:
    result: dict[str, Any] = {}
    try:
        cluster, done = _deploy_and_ingest(run)
        theirs = wanted_existing(run) is not None
        yarn.kill_applications(cluster.resourcemanager_url, _jobs_of(run))  # of a killed pipeline
        clusters.mark_unsaved(cluster, run.run_id)
        result = _steps(run, cluster, done, heal=None if theirs else lambda: deploy(run))
        clusters.mark_saved(cluster, run.run_id)
        if theirs and not keep:
            open_context(run, cluster).store.delete("")  # with a cluster of our own it goes
    finally:
        if run.cluster_id and not keep:
            result["receipt"] = destroy(run, discard=not result)
    return result


def _jobs_of(run: Run) -> str:
    """Return what the names of a run's jobs start with, and no other's."""
    return f"{run.run_id} "


def _deploy_and_ingest(run: Run) -> tuple[clusters.Cluster, list[Step]]:
    """Deploy, and begin to send images as soon as HDFS is up, while the rest is being proved.

    Returns the cluster, and the steps that are done with it.
    """
    thread = ThreadPoolExecutor(1)
    sending: list[Future[None]] = []

    def begin(task: str) -> None:
        if task == _HDFS_IS_UP and not sending:
            sending.append(thread.submit(_ingest, run))

    try:
        cluster = deploy(run, begin)
        for sent in sending:
            sent.result()
    finally:
        thread.shutdown(wait=False)  # after an error the cluster goes, and with it what is sent
    return cluster, [INGEST] if sending else []


def _ingest(run: Run) -> None:
    cluster = existing_cluster(run)
    if cluster:
        timed(INGEST, open_context(run, cluster))


def _steps(
    run: Run,
    cluster: clusters.Cluster | None,
    done: Sequence[Step] = (),
    heal: Callable[[], object] | None = None,
) -> dict[str, Any]:
    context = open_context(run, cluster)
    for steps in side_by_side(context):
        if all(step in done for step in steps):
            continue
        try:
            _timed_together(steps, context)
        except ClusterError as error:
            if heal is None:
                raise
            names = ", ".join(step.name for step in steps)
            print(f"{names}: {error}; what is missing is started now", file=sys.stderr)
            heal()
            _timed_together(steps, context)
    if not run.data.startswith("hdfs:"):
        run.finished = _results_fingerprint(context)
        run.save()
    return result_of(run)


def side_by_side(context: Context) -> list[list[Step]]:
    """Group the steps, in order, so that none needs the output of another of its group.

    On this machine each is alone: tasks of one job have all its cores already.
    """
    groups: list[list[Step]] = []
    for step in STEPS.values():
        needed = [] if step.idle(context) else [n for n in step.needs if not n.idle(context)]
        if context.cluster and groups and not any(n in groups[-1] for n in needed):
            groups[-1].append(step)
        else:
            groups.append([step])
    return groups


def _timed_together(steps: Sequence[Step], context: Context) -> None:
    """Do steps, each in a thread of its own if there are several; the first error ends them all."""
    if len(steps) == 1:
        timed(steps[0], context)
        return
    with ThreadPoolExecutor(len(steps)) as threads:
        running = [threads.submit(timed, step, replace(context, jobs=[])) for step in steps]
        try:
            for done in as_completed(running):
                done.result()
        except BaseException:
            if context.cluster:  # or this would wait for jobs whose output nobody wants
                yarn.kill_applications(context.cluster.resourcemanager_url, _jobs_of(context.run))
            raise


def timed(step: Step, context: Context) -> None:
    """Do a step unless it is done, with its progress shown; note its report and seconds."""
    context.jobs.clear()
    with Progress(step.name) as progress:
        done = is_done(step, context)
        if done:
            progress.note("already done")
        report = done or do_step(step, context, progress)
        counts = report.get("counts") or {}
        told = ", ".join(f"{n} {name}" for name, n in sorted(counts.items()))
        seconds = round(progress.seconds, 1)
        progress.note(f"done in {seconds} s" + (f": {told}" if told else ""))
    if not (done and step.name in context.run.steps):
        cost = {"seconds": seconds, "jobs": [*context.jobs]}
        context.run.note_step(step.name, {**cost, **report})


def some_steps(names: Sequence[str], run: Run) -> None:
    """Do a few steps of a run, unless they are done; what they need must be done."""
    cluster = None
    if run.runner == "hadoop":
        cluster = existing_cluster(run)
        if cluster is None:
            raise ClusterError(
                f"there is no cluster {run.cluster}; start it with `bin/pipeline up`, or use "
                "--runner local"
            )
    context = open_context(run, cluster)
    with interrupts_as_errors(), only_driver(run):
        for name in names:
            timed(STEPS[name], context)


def plan_of(run: Run) -> Iterator[str]:
    """Yield a line a step of what `full` would do."""
    cluster = None
    if run.runner == "hadoop":
        cluster = existing_cluster(run)
        state = "use the one that is there" if cluster else "to do"
        yield f"deploy    {state}: cluster {run.cluster}"
    context = open_context(run, cluster)
    reachable = run.runner != "hadoop" or cluster is not None
    known = reachable and (run.data.startswith("hdfs:") or Path(run.data).exists())
    for name, step in STEPS.items():
        done = known and is_done(step, context) is not None
        yield f"{name:9} {'done' if done else 'to do'}: {step.help}"
    if run.runner == "hadoop":
        yield "destroy   " + ("to do" if not cluster or run.cluster_id else "left: not this run's")


@contextmanager
def _intermediate_outputs(run: Run, *, keep: bool) -> Iterator[None]:
    """Keep them for going on after an error; remove them once the results are saved."""
    images = images_at(run.images, None)
    if not images.store.exists(""):
        run.made_images = True
        run.save()
    yield
    if not keep:
        run.forget_work()
        if run.made_images:
            hbase_store.remove(images)
            shutil.rmtree(images.cache, ignore_errors=True)


@contextmanager
def only_driver(run: Run) -> Iterator[None]:
    """Let one process at a time work on a run; the lock ends with the process."""
    clusters.LOCKS_DIR.mkdir(parents=True, exist_ok=True)
    with (clusters.LOCKS_DIR / f"run-{run.run_id}").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigError(
                f"another `pipeline` is working on the run {run.run_id}; wait for it, or begin a "
                "run of its own without --run-id"
            ) from error
        yield


@contextmanager
def interrupts_as_errors() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into what Ctrl-C is, so that the cluster is destroyed on the way."""
    own = os.getpid()

    def interrupt(number: int, _: object) -> None:
        if os.getpid() != own:  # a worker that mrjob forked: it just ends
            os._exit(128 + number)
        raise KeyboardInterrupt(signal.Signals(number).name)

    numbers = [n for n in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(n) != signal.SIG_IGN]
    before = {n: signal.signal(n, interrupt) for n in numbers}  # not what `nohup` had ignored
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def require_same(run: Run, *, data: str | None, runner: str | None) -> None:
    """Refuse to go on with a run under other facts than it began with."""
    for what, asked, began in (("--data", data, run.data), ("--runner", runner, run.runner)):
        if asked is not None and asked != began:
            raise ConfigError(
                f"run {run.run_id} began with {what} {began}, not {asked}; leave {what} out to go "
                "on with it, or start a run of its own without --run-id"
            )

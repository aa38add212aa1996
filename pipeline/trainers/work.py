"""Have trainers work on the shards of a run: each in a process of its own, seen from outside."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

from mr_jobs.lib import errors
from mr_jobs.lib.errors import ConfigError, JobError, PipelineError
from pipeline import yarn
from pipeline.cluster import Cluster
from pipeline.cluster_mark import read_mark
from pipeline.full import interrupts_as_errors, only_driver, open_context
from pipeline.process_memory import PeakMemory
from pipeline.progress import Progress
from pipeline.run_cluster import existing_cluster
from pipeline.runs import Run, load_run
from pipeline.save_step import saved_dir
from pipeline.split_step import SPLIT
from pipeline.step import Context, is_done
from pipeline.trainers import results
from pipeline.trainers.base import Task, Trainer, application_of
from pipeline.trainers.registry import TRAINERS, require_extra

CHILD = (sys.executable, "-m", "pipeline.trainers")
ERROR = "error.json"
_END_S = 60.0  # for a child that was told to end: it stops what it started


def train_missing(run: Run, trainers: Sequence[Trainer], *, again: bool) -> None:
    """Have those trainers work that have no result of these shards yet, or all of them.

    Raises
    ------
    ConfigError
        The run is not saved, its shards are gone, or an extra is not installed.
    """
    if not saved_dir(run).is_dir():
        raise ConfigError(
            f"run {run.run_id} is not saved yet; finish it with "
            f"`bin/pipeline full --run-id {run.run_id} --keep`"
        )
    there = {} if again else results.read(saved_dir(run))
    if not again and all(trainer.name in there for trainer in trainers) and _are_gone(run):
        return  # nothing newer can be
    for trainer in trainers:
        require_extra(trainer)
    context = context_with_shards(run)
    shards = results.shards_of(context)
    with interrupts_as_errors(), only_driver(run):
        for trainer in trainers:
            if there.get(trainer.name, {}).get("shards") != shards:
                train(context, trainer)


def context_with_shards(run: Run) -> Context:
    """Return the context of a run whose shards are there.

    Raises
    ------
    ConfigError
        They are not, or are of other data or settings.
    """
    cluster = existing_cluster(run) if run.runner == "hadoop" else None
    if run.runner == "hadoop" and cluster is None:
        raise _gone(run, f"with the cluster {run.cluster}")
    context = open_context(run, cluster)
    if is_done(SPLIT, context) is None:
        if not context.store.exists(f"{SPLIT.makes}/_manifest.json"):
            raise _gone(run, "when the run was finished")
        raise ConfigError(
            f"the shards of run {run.run_id} are of other data or settings; make them anew with "
            f"`bin/pipeline split --run-id {run.run_id}`, if its images are still there"
        )
    return context


def _are_gone(run: Run) -> bool:
    try:
        context_with_shards(run)
    except ConfigError:
        return True
    return False


def _gone(run: Run, how: str) -> ConfigError:
    return ConfigError(
        f"the shards of run {run.run_id} went {how}; trainers need a run that keeps them: "
        f"`bin/pipeline full --data {run.data} --runner {run.runner} --keep`, then compare that one"
    )


def train(context: Context, trainer: Trainer) -> dict[str, Any]:
    """Have a trainer work in a process of its own; return its result, which is saved.

    Raises
    ------
    PipelineError
        What the trainer met; nothing of it is left.
    """
    run, cluster = context.run, context.cluster
    folder = results.results_dir(saved_dir(run)) / trainer.name
    partial = folder.with_name(f".{trainer.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)  # of one that was killed
    partial.mkdir(parents=True)
    ours = application_of(run.run_id, "")  # the run is locked: nobody else works on it
    if cluster:
        yarn.kill_applications(cluster.resourcemanager_url, ours)
    try:
        peak_mib = _watched([*CHILD, run.run_id, trainer.name, str(partial)], cluster, ours)
        facts = json.loads((partial / results.RESULT).read_bytes())
        facts["peak_mib"] = peak_mib if sees_all(cluster) else None
        results.write_result(partial, facts)
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)
    finally:
        if partial.exists():
            shutil.rmtree(partial)
            if cluster:
                yarn.kill_applications(cluster.resourcemanager_url, ours)
    return dict(facts)


def _watched(command: Sequence[str], cluster: Cluster | None, prefix: str) -> float:
    """Run a child to its end; return the peak of its memory, and its containers', in MiB."""
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sys.stderr)
    try:
        with PeakMemory(child.pid, _applications(cluster, prefix)) as memory:
            code = child.wait()
    except BaseException:
        _end(child)
        raise
    if code:
        raise _error_of(Path(command[-1]), code)
    return memory.peak_mib


def _applications(cluster: Cluster | None, prefix: str) -> Callable[[], Collection[str]]:
    if cluster is None:
        return tuple
    url = cluster.resourcemanager_url
    return lambda: [a["id"] for a in yarn.unfinished(url) if str(a["name"]).startswith(prefix)]


def _end(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    try:
        child.wait(_END_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _error_of(folder: Path, code: int) -> BaseException:
    """Return the error that a child left."""
    if code == 130:
        return KeyboardInterrupt()
    path = folder / ERROR
    if not path.is_file():
        return JobError(
            f"the trainer's process ended with code {code}; its messages are above, run the same "
            "command again"
        )
    told = json.loads(path.read_bytes())
    kind = getattr(errors, told["kind"], JobError)
    usual = isinstance(kind, type) and issubclass(kind, PipelineError)
    return kind(told["message"]) if usual else JobError(told["message"])


def sees_all(cluster: Cluster | None) -> bool:
    """Say whether all of a cluster's processes are this user's on this machine."""
    if cluster is None:
        return True
    return cluster.packages is None and not (read_mark(cluster.dir) or {}).get("inventory")


def do(run_id: str, name: str, folder: Path) -> None:
    """Do a trainer's task, in the child: leave its files and tables in the folder."""
    run = load_run(run_id)
    if run is None:
        raise ConfigError(f"there is no run {run_id}; `bin/pipeline runs` lists them")
    with Progress(name) as progress:
        task = Task(context_with_shards(run), folder, progress, name)
        results.write(task, TRAINERS[name].run(task))
        told = ", ".join(f"{phase} {seconds:.1f} s" for phase, seconds in task.seconds.items())
        progress.note(f"done: {told}")

"""The cluster of a run: stood up before it, or there before, and destroyed if the run made it."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mr_jobs.lib.errors import ConfigError
from pipeline import cluster as clusters
from pipeline import existing, worker_env
from pipeline.progress import Progress
from pipeline.runs import Run


def deploy(run: Run, begun: Callable[[str], None] = lambda _: None) -> clusters.Cluster:
    """Stand the run's cluster up, or start what is missing of it; note whether the run made it.

    `begun` is called with the name of each of the deployment's tasks.
    """
    wanted = wanted_existing(run)
    if wanted:
        return _connect(run, wanted)
    if run.cluster_id is None and existing_cluster(run) is None:
        run.cluster_id = clusters.new_id(run.cluster)  # noted first: a killed run finds it again
        run.save()
    with Progress("deploy") as progress:

        def show(task: str) -> None:
            progress.note(task)
            begun(task)

        up = clusters.up(
            run.cluster, cluster_id=run.cluster_id, progress=show, **run.cluster_options
        )
        if up.cluster.id != run.cluster_id:
            run.cluster_id = None  # somebody else's
        run.note_step("deploy", {"seconds": round(up.seconds, 1), "changed": up.changed})
        progress.note(f"cluster {up.cluster.name} is up after {up.seconds:.0f} s")
        return up.cluster


def wanted_existing(run: Run) -> existing.Wanted | None:
    """Return what a run wants of a cluster that is not ours; None if it is for one of our own."""
    return run.cluster_options.get(existing.EXISTING)


def _connect(run: Run, wanted: existing.Wanted) -> clusters.Cluster:
    """Find a cluster that is not ours, and give it the tasks' packages."""
    with Progress("connect") as progress:
        cluster = existing.connect(wanted)
        _require_same(run, cluster)
        worker_env.archive(cluster, progress.note)
        progress.note(f"{cluster.fs_uri}, YARN {cluster.resourcemanager_url}, {cluster.hdfs_dir}")
    return cluster


def _require_same(run: Run, cluster: clusters.Cluster) -> None:
    """Let a run go on only where it began: its outputs are nowhere else."""
    if run.cluster not in (existing.EXISTING, cluster.id):
        raise ConfigError(
            f"run {run.run_id} began on another cluster or in another HDFS directory than "
            f"{cluster.fs_uri}{cluster.hdfs_dir}; set HADOOP_CONF_DIR and --hdfs-dir as they were"
        )
    if run.cluster != cluster.id:
        run.cluster = cluster.id
        run.save()


def existing_cluster(run: Run) -> clusters.Cluster | None:
    """Return the run's cluster if one of that name is there, or the one that is not ours."""
    wanted = wanted_existing(run)
    if wanted:
        cluster = existing.connect(wanted)
        _require_same(run, cluster)
        return cluster
    directory = clusters.cluster_dir(run.cluster, run.cluster_options.get("directory"))
    return clusters.Cluster.load(directory) if (directory / clusters.MARK).exists() else None


def destroy(run: Run, *, discard: bool) -> str | None:
    """Destroy the cluster that the run made; return the receipt's path."""
    with Progress("destroy") as progress, _uninterrupted(progress):
        receipt = clusters.down(
            run.cluster,
            directory=run.cluster_options.get("directory"),
            expected_id=run.cluster_id,
            discard_unsaved=discard,
            progress=progress.note,
        )
        run.cluster_id = None
        run.note_step("destroy", {"seconds": round(progress.seconds, 1)})
        if receipt:
            progress.note(f"nothing is left of it after {progress.seconds:.0f} s")
    return str(receipt) if receipt else None


@contextmanager
def _uninterrupted(progress: Progress) -> Iterator[None]:
    """Let nothing but a kill stop the destruction: a half-destroyed cluster helps nobody."""

    def refuse(_: int, __: object) -> None:
        progress.note("is not interrupted: it ends in seconds")

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, refuse) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

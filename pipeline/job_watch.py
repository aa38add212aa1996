"""Watch a job on a cluster: how far it is, what it waits for, and its end if it can never go on.

A job that stands still says after some seconds what it waits for, once for each cause. It is ended
only when it could wait for ever: without a node, without a ResourceManager or NameNode, or when it
asks for more than any node has. Nobody else's job is touched.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mr_jobs.lib.errors import ClusterError, PipelineError
from pipeline import yarn
from pipeline.cluster_mark import Cluster
from pipeline.job_watch_causes import Cause, Seen, cause_of, trouble
from pipeline.progress import Progress

_TELL_AFTER_S = 15.0  # a job's start takes five, a silent second of it is nothing yet
_LOOK_AFTER_S = 5.0
_LOOK_EVERY_S = 2.0


class Watch:
    """What is known of one job while it runs.

    `verdict` is the error that the job ends in because it could never have gone on.

    Parameters
    ----------
    cluster, title : where the job is, and its name there; no other job of this process has it now.
    counter : the counter of the group `images` that follows the progress.
    clock : seconds, for tests.
    """

    def __init__(
        self,
        cluster: Cluster,
        title: str,
        counter: str,
        progress: Progress,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.verdict: PipelineError | None = None
        self._cluster = cluster
        self._title = title
        self._counter = counter
        self._progress = progress
        self._clock = clock
        self._moved_at = self._looked_at = clock()
        self._state: object = None
        self._counters: dict[str, int] = {}
        self._cause_key = self._told_key = ""
        self._cause_since = 0.0

    def look(self, application_id: str | None) -> int:
        """Return how far the job is; say what it waits for; end it if that is for ever."""
        url = self._cluster.resourcemanager_url
        app = yarn.application(url, application_id) if application_id else {}
        counters = yarn.counters(url, application_id) if application_id else {}
        self._counters = counters or self._counters
        state = (*map(app.get, ("id", "state", "progress", "runningContainers")), self._counters)
        now = self._clock()
        if state != self._state and (app or not application_id):
            self._state = state
            self._goes_on(now)
        elif now - max(self._moved_at + _LOOK_AFTER_S, self._looked_at + _LOOK_EVERY_S) >= 0:
            self._looked_at = now
            self._judge(cause_of(look(self._cluster, application_id), now - self._moved_at), now)
            if self.verdict and application_id:
                yarn.kill(url, application_id)
            if self.verdict:
                end_client(self._title)
        return self._counters.get(f"images/{self._counter}", 0)

    def _goes_on(self, now: float) -> None:
        if self._told_key:
            self._progress.note(f"goes on after {now - self._moved_at:.0f} s")
        self._moved_at, self._cause_key, self._told_key = now, "", ""

    def _judge(self, cause: Cause, now: float) -> None:
        if cause.key != self._cause_key:
            self._cause_key, self._cause_since = cause.key, now
        if now - self._moved_at >= _TELL_AFTER_S and cause.key != self._told_key:
            self._told_key = cause.key
            self._progress.note(f"no progress for {now - self._moved_at:.0f} s: {cause.says}")
        if cause.ends_after_s is not None and now - self._cause_since >= cause.ends_after_s:
            self.verdict = self.verdict or cause.error(cause.says)


def look(cluster: Cluster, application_id: str | None = None) -> Seen:
    """Ask YARN and HDFS how they are, and what an application of YARN waits for."""
    url = cluster.resourcemanager_url
    nodes = yarn.nodes(url)
    app = yarn.application(url, application_id) if application_id else {}
    unfinished = yarn.unfinished(url) if app else []
    return Seen(
        nodes=nodes,
        application=app,
        queue=yarn.queue(url, str(app.get("queue", ""))) if app else {},
        others=[other for other in unfinished if other["id"] != application_id],
        attempts=yarn.running_attempts(url, application_id) if application_id else [],
        namenode=yarn.namenode(cluster.webhdfs_url),
    )


def cluster_error(cluster: Cluster) -> ClusterError | None:
    """Return what is wrong with the cluster itself, which a failed job may have failed by."""
    found = trouble(look(cluster))
    return ClusterError(found.says) if found else None


@contextmanager
def explained(cluster: Cluster | None) -> Iterator[None]:
    """Put what is wrong with the cluster itself in the place of an error that it led to."""
    try:
        yield
    except ClusterError as error:
        found = cluster_error(cluster) if cluster else None
        if found is None:
            raise
        raise found from error


def end_client(title: str) -> None:
    """End the Hadoop client that this process started for a job; it would wait for minutes."""
    wanted = f"mapreduce.job.name={title}".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, IndexError):
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
            if int(parent) == os.getpid() and wanted in (folder / "cmdline").read_bytes().split(
                b"\0"
            ):
                os.kill(int(folder.name), signal.SIGTERM)

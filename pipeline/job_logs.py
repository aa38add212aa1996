"""What the containers of a job wrote, where their log files are not on this machine.

Source: the REST APIs of Hadoop 3's ResourceManager, MapReduce history server and NodeManager.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import requests

from mr_jobs.lib.errors import ClusterError
from pipeline import cluster_http
from pipeline.cluster_mark import Cluster

_FILES = ("stderr", "syslog")
_TAIL_BYTES = 200_000
_MOST_CONTAINERS = 8
_TIMEOUT_S = 10


class Container(NamedTuple):
    """A container, and HOST:PORT of the web server of its NodeManager."""

    id: str
    node: str


def fetch(cluster: Cluster, application_id: str, folder: Path) -> Path:
    """Fetch the logs of an application's masters and of its failed tasks.

    Each NodeManager is asked for what it has; where logs are gathered in HDFS, the history server.

    Parameters
    ----------
    folder : a directory for the files.

    Returns
    -------
    A directory laid out as a NodeManager's: `container_<id>/stderr` and `syslog`, at most the last
    200 kB of each; empty if nobody has any.
    """
    place = folder / application_id
    place.mkdir(parents=True, exist_ok=True)
    for container in _containers(cluster, application_id):
        for name in _FILES:
            content = _log(cluster, container, name)
            if content:
                (place / container.id).mkdir(exist_ok=True)
                (place / container.id / name).write_bytes(content)
    return place


def _containers(cluster: Cluster, application_id: str) -> list[Container]:
    """Return the containers of failed tasks, the newest first, and those of the masters."""
    found = dict.fromkeys(_failed_attempts(cluster, application_id))
    found |= dict.fromkeys(_masters(cluster, application_id))
    return [*found][:_MOST_CONTAINERS]


def _masters(cluster: Cluster, application_id: str) -> Iterator[Container]:
    url = f"{cluster.resourcemanager_url}/ws/v1/cluster/apps/{application_id}/appattempts"
    attempts = _get(cluster, url).get("appAttempts", {})
    for attempt in attempts.get("appAttempt", []):
        if attempt.get("containerId") and attempt.get("nodeHttpAddress"):
            yield Container(attempt["containerId"], attempt["nodeHttpAddress"])


def _failed_attempts(cluster: Cluster, application_id: str) -> Iterator[Container]:
    job = application_id.replace("application_", "job_")
    url = f"{cluster.historyserver_url}/ws/v1/history/mapreduce/jobs/{job}/tasks"
    tasks = _get(cluster, url).get("tasks") or {}
    failed = [task for task in tasks.get("task", []) if task["state"] in ("FAILED", "KILLED")]
    failed.sort(key=lambda task: (task["state"] == "KILLED", -task.get("finishTime", 0)))
    for task in failed[:_MOST_CONTAINERS]:
        answer = _get(cluster, f"{url}/{task['id']}/attempts")
        for attempt in (answer.get("taskAttempts") or {}).get("taskAttempt", []):
            if attempt.get("assignedContainerId") and attempt.get("nodeHttpAddress"):
                yield Container(attempt["assignedContainerId"], attempt["nodeHttpAddress"])


def _log(cluster: Cluster, container: Container, name: str) -> bytes | None:
    """Return the end of a log file, from the NodeManager or else the history server."""
    scheme = urlsplit(cluster.resourcemanager_url).scheme
    for url in (
        f"{scheme}://{container.node}/ws/v1/node/containerlogs/{container.id}/{name}",
        f"{cluster.historyserver_url}/ws/v1/history/containerlogs/{container.id}/{name}",
    ):
        answer = _ask(cluster, url, "text/plain", {"size": f"-{_TAIL_BYTES}"})
        if answer is not None and answer.content:
            return answer.content
    return None


def _get(cluster: Cluster, url: str) -> dict[str, Any]:
    """Return a JSON answer; an empty one when there is none."""
    answer = _ask(cluster, url, "application/json", {})
    with contextlib.suppress(ValueError):
        return dict(answer.json()) if answer is not None else {}
    return {}


def _ask(cluster: Cluster, url: str, kind: str, params: dict[str, str]) -> requests.Response | None:
    """Ask as the pipeline's user; None when there is no good answer."""
    with contextlib.suppress(requests.RequestException, ClusterError):
        answer = cluster_http.session(cluster.resourcemanager_url).get(
            url,
            params={**params, **cluster_http.user_query(url)},
            headers={"Accept": kind},
            timeout=_TIMEOUT_S,
        )
        return answer if answer.ok else None
    return None

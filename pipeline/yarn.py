"""Ask YARN by its REST interface: progress, diagnostics, nodes; and kill an application.

Source: the ResourceManager and MapReduce ApplicationMaster REST APIs of Hadoop 3.4.
"""

from __future__ import annotations

import contextlib
import getpass
from typing import Any

import requests

from mr_jobs.lib.errors import ClusterError

_TIMEOUT_S = 5
_NO_PROXY = {"http": ""}  # the cluster is never behind the user's proxy


def job_counter(resourcemanager_url: str, application_id: str, counter: str) -> int:
    """Return a counter of the group `images` of a running job; 0 as long as none is known."""
    job_id = application_id.replace("application_", "job_")
    path = f"proxy/{application_id}/ws/v1/mapreduce/jobs/{job_id}/counters"
    answer = _get(resourcemanager_url, path)
    for group in answer.get("jobCounters", {}).get("counterGroup", []):
        if group.get("counterGroupName") == "images":
            for entry in group.get("counter", []):
                if entry["name"] == counter:
                    return int(entry["totalCounterValue"])
    return 0


def diagnostics(resourcemanager_url: str, application_id: str) -> str | None:
    """Return what YARN says about a failed application."""
    app = _get(resourcemanager_url, f"ws/v1/cluster/apps/{application_id}").get("app", {})
    text = str(app.get("diagnostics", "")).strip()
    return text.splitlines()[0] if text else None


def active_nodes(resourcemanager_url: str) -> int:
    """Return the number of NodeManagers that YARN can use now."""
    metrics = _get(resourcemanager_url, "ws/v1/cluster/metrics").get("clusterMetrics", {})
    return int(metrics.get("activeNodes", 0))


def task_slots(resourcemanager_url: str) -> int:
    """Return how many tasks of a job run side by side: one core is the application master's."""
    metrics = _get(resourcemanager_url, "ws/v1/cluster/metrics").get("clusterMetrics", {})
    return max(1, int(metrics.get("totalVirtualCores", 0)) - 1)


def require_nodes(resourcemanager_url: str) -> None:
    """Raise a ClusterError when YARN has no node to run anything on."""
    if active_nodes(resourcemanager_url) == 0:
        raise ClusterError(
            "YARN has no healthy NodeManager; `bin/pipeline up` starts what is missing, then go "
            "on with --run-id"
        )


def kill_applications(resourcemanager_url: str, name_prefix: str) -> list[str]:
    """Kill the unfinished applications whose name starts with a prefix; return their ids."""
    states = "NEW,NEW_SAVING,SUBMITTED,ACCEPTED,RUNNING"
    apps = _get(resourcemanager_url, f"ws/v1/cluster/apps?states={states}").get("apps") or {}
    ids = [a["id"] for a in apps.get("app", []) if str(a["name"]).startswith(name_prefix)]
    for application_id in ids:
        kill(resourcemanager_url, application_id)
    return ids


def kill(resourcemanager_url: str, application_id: str) -> None:
    """Ask YARN to kill an application; if YARN is gone, so is the application."""
    with contextlib.suppress(requests.RequestException):
        requests.put(
            f"{resourcemanager_url}/ws/v1/cluster/apps/{application_id}/state",
            params={"user.name": getpass.getuser()},
            json={"state": "KILLED"},
            timeout=_TIMEOUT_S,
            proxies=_NO_PROXY,
        )


def _get(resourcemanager_url: str, path: str) -> dict[str, Any]:
    """Return a JSON answer; an empty one when there is none (yet)."""
    try:
        answer = requests.get(
            f"{resourcemanager_url}/{path}",
            headers={"Accept": "application/json"},
            timeout=_TIMEOUT_S,
            proxies=_NO_PROXY,
        )
        return answer.json() if answer.ok else {}
    except (requests.RequestException, ValueError):
        return {}

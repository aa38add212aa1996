"""Ask YARN by its REST interface: progress, diagnostics, nodes, queues; and kill an application.

Source: the ResourceManager and MapReduce ApplicationMaster REST APIs of Hadoop 3.4.
"""

from __future__ import annotations

import contextlib
from typing import Any

import requests

from mr_jobs.lib.errors import ClusterError
from pipeline import cluster_http

_TIMEOUT_S = 5


def diagnostics(resourcemanager_url: str, application_id: str) -> str | None:
    """Return what YARN says about a failed application: its first line, and a token's age."""
    app = _get(resourcemanager_url, f"ws/v1/cluster/apps/{application_id}").get("app", {})
    lines = str(app.get("diagnostics", "")).strip().splitlines()
    expired = [line.strip() for line in lines[1:] if "token is expired" in line]
    return " ".join([lines[0], *expired[:1]]) if lines else None


def task_slots(resourcemanager_url: str) -> int:
    """Return how many tasks of a job run side by side.

    A node has a container more than cores, for application masters, which do not compute.
    """
    metrics = _get(resourcemanager_url, "ws/v1/cluster/metrics").get("clusterMetrics", {})
    n_nodes = int(metrics.get("activeNodes", 1))
    return max(1, int(metrics.get("totalVirtualCores", 0)) - n_nodes)


def kill_applications(resourcemanager_url: str, name_prefix: str) -> list[str]:
    """Kill this user's unfinished applications whose name starts so; return their ids."""
    user = cluster_http.user_name(resourcemanager_url)
    apps = [a for a in unfinished(resourcemanager_url) if a["user"] == user]
    ids = [a["id"] for a in apps if str(a["name"]).startswith(name_prefix)]
    for application_id in ids:
        kill(resourcemanager_url, application_id)
    return ids


def kill(resourcemanager_url: str, application_id: str) -> None:
    """Ask YARN to kill an application; if YARN is gone, so is the application."""
    with contextlib.suppress(requests.RequestException, ClusterError):
        cluster_http.session(resourcemanager_url).put(
            f"{resourcemanager_url}/ws/v1/cluster/apps/{application_id}/state",
            params=cluster_http.user_query(resourcemanager_url),
            json={"state": "KILLED"},
            timeout=_TIMEOUT_S,
        )


def _get(resourcemanager_url: str, path: str) -> dict[str, Any]:
    """Return a JSON answer; an empty one when there is none (yet)."""
    try:
        answer = cluster_http.session(resourcemanager_url).get(
            f"{resourcemanager_url}/{path}",
            params=cluster_http.user_query(resourcemanager_url),  # some show it to its user only
            headers={"Accept": "application/json"},
            timeout=_TIMEOUT_S,
        )
        return answer.json() if answer.ok else {}
    except (requests.RequestException, ClusterError, ValueError):
        return {}


def counters(resourcemanager_url: str, application_id: str) -> dict[str, int]:
    """Return what a running job counts: images, as `images/NAME`, and records; {} if not known."""
    found = {}
    answer = _get(resourcemanager_url, f"{_of_master(application_id)}/counters")
    for group in answer.get("jobCounters", {}).get("counterGroup", []):
        for entry in group.get("counter", []):
            if group.get("counterGroupName") == "images":
                found[f"images/{entry['name']}"] = int(entry["totalCounterValue"])
            elif str(entry["name"]).endswith("_RECORDS"):
                found[str(entry["name"])] = int(entry["totalCounterValue"])
    return found


def application(resourcemanager_url: str, application_id: str) -> dict[str, Any]:
    """Return what the ResourceManager says of an application; {} when it says nothing."""
    app = _get(resourcemanager_url, f"ws/v1/cluster/apps/{application_id}").get("app")
    return app if isinstance(app, dict) else {}


def unfinished(resourcemanager_url: str) -> list[dict[str, Any]]:
    """List the applications that wait or run."""
    states = "NEW,NEW_SAVING,SUBMITTED,ACCEPTED,RUNNING"
    apps = _get(resourcemanager_url, f"ws/v1/cluster/apps?states={states}").get("apps") or {}
    return list(apps.get("app", []))


def applications(resourcemanager_url: str, state: str = "") -> list[dict[str, Any]] | None:
    """List the applications in a state, or all; None when the ResourceManager does not answer."""
    answer = _get(resourcemanager_url, f"ws/v1/cluster/apps{state and f'?states={state}'}")
    return list((answer["apps"] or {}).get("app", [])) if "apps" in answer else None


def nodes(resourcemanager_url: str) -> list[dict[str, Any]] | None:
    """List the NodeManagers in any state; None when the ResourceManager does not answer."""
    answer = _get(resourcemanager_url, "ws/v1/cluster/nodes")
    return list((answer["nodes"] or {}).get("node", [])) if "nodes" in answer else None


def queue(resourcemanager_url: str, name: str) -> dict[str, Any]:
    """Return what the scheduler says of a queue, by its path or last name; {} if not known."""
    answer = _get(resourcemanager_url, "ws/v1/cluster/scheduler")
    left = [answer.get("scheduler", {}).get("schedulerInfo", {})]
    while left:
        found: dict[str, Any] = left.pop()
        if name in (found.get("queuePath"), found.get("queueName")):
            return found
        left += (found.get("queues") or {}).get("queue", [])
    return {}


def running_attempts(resourcemanager_url: str, application_id: str) -> list[tuple[str, str]]:
    """List (attempt, host) of the tasks of a job that run."""
    tasks = _get(resourcemanager_url, f"{_of_master(application_id)}/tasks").get("tasks") or {}
    found = []
    for task in tasks.get("task", []):
        if task.get("state") == "RUNNING":
            path = f"{_of_master(application_id)}/tasks/{task['id']}/attempts"
            attempts = _get(resourcemanager_url, path).get("taskAttempts") or {}
            found += [
                (str(attempt["id"]), str(attempt.get("nodeHttpAddress", "?")).partition(":")[0])
                for attempt in attempts.get("taskAttempt", [])
                if attempt.get("state") == "RUNNING"
            ]
    return found


def _of_master(application_id: str) -> str:
    job_id = application_id.replace("application_", "job_")
    return f"proxy/{application_id}/ws/v1/mapreduce/jobs/{job_id}"


def namenode(namenode_url: str) -> dict[str, Any] | None:
    """Return what the NameNode says of itself, its bean NameNodeInfo; None: it does not answer.

    One that answers without telling (a gateway, or one that wants a ticket) gives {}.
    """
    try:
        answer = cluster_http.session(namenode_url).get(
            f"{namenode_url}/jmx?qry=Hadoop:service=NameNode,name=NameNodeInfo", timeout=_TIMEOUT_S
        )
        return dict(answer.json()["beans"][0])
    except (requests.ConnectionError, requests.Timeout, ClusterError):
        return None
    except (requests.RequestException, ValueError, LookupError, TypeError):
        return {}

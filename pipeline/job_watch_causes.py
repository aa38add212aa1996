"""Say why a job does not go on, by what YARN and HDFS answer; pure functions of their answers.

Source: the REST APIs of the ResourceManager and the MapReduce ApplicationMaster of Hadoop 3.4.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from mr_jobs.lib.errors import ClusterError, JobError, PipelineError

# Seconds after which a job that cannot go on is ended; a daemon that is started again, or a node
# that comes back, takes less.
_NO_NODE_S = 10.0
_NO_ANSWER_S = 30.0
_SAFE_MODE_S = 60.0  # a large NameNode that was started anew leaves it by itself
_TOO_LARGE_S = 15.0
_SILENT_DATANODE_S = 6  # of heartbeats every 3 s, unless the cluster has them more often
_ONE_BLOCK = 128 << 20  # a DataNode with less room takes none
_UP = "`bin/pipeline up` starts what is missing, then go on with --run-id"
_WAITING = ("NEW", "NEW_SAVING", "SUBMITTED", "ACCEPTED")
_MAX_NAMED = 3


class NeverRunsError(JobError):
    """YARN will never run the job as it asks; to try once more would end the same."""


@dataclass(frozen=True)
class Seen:
    """What Hadoop says of itself and of one job, as its REST interfaces give it.

    `nodes` and `namenode` are None when the ResourceManager or the NameNode does not answer;
    `application` is empty before the job is submitted; `others` are the unfinished applications
    beside it; `attempts` are those of the job's tasks that run, as (attempt, host).
    """

    nodes: Sequence[Mapping[str, Any]] | None = ()
    application: Mapping[str, Any] = field(default_factory=dict)
    queue: Mapping[str, Any] = field(default_factory=dict)
    others: Sequence[Mapping[str, Any]] = ()
    attempts: Sequence[tuple[str, str]] = ()
    namenode: Mapping[str, Any] | None = field(default_factory=dict)


class Cause(NamedTuple):
    """Why a job waits; another `key` is another cause. After `ends_after_s` seconds it is ended."""

    key: str
    says: str
    ends_after_s: float | None = None
    error: type[PipelineError] = ClusterError


def trouble(seen: Seen) -> Cause | None:
    """Return what is wrong with the cluster itself, or None."""
    if seen.nodes is None:
        return Cause("rm", f"YARN's ResourceManager does not answer; {_UP}", _NO_ANSWER_S)
    of_hdfs = _trouble_of_hdfs(seen.namenode)
    if of_hdfs:
        return of_hdfs
    if not _in_state(seen.nodes, "RUNNING"):
        return Cause(
            "nodes", f"YARN has no healthy NodeManager{_sick(seen.nodes)}; {_UP}", _NO_NODE_S
        )
    return None


def _trouble_of_hdfs(namenode: Mapping[str, Any] | None) -> Cause | None:
    if namenode is None:
        return Cause("nn", f"HDFS' NameNode does not answer; {_UP}", _NO_ANSWER_S)
    safe_mode = _sentence(str(namenode.get("Safemode") or ""))
    if safe_mode:
        says = (
            f"HDFS is in safe mode and takes no writes ({safe_mode}); when the cause is gone, "
            "`hadoop dfsadmin -safemode leave` ends it, then go on with --run-id"
        )
        return Cause("safe", says, _SAFE_MODE_S)
    if "LiveNodes" not in namenode:
        return None
    silent_s = [node["lastContact"] for node in json.loads(namenode["LiveNodes"]).values()]
    if min(silent_s, default=_SILENT_DATANODE_S) >= _SILENT_DATANODE_S:
        return Cause("dn", f"HDFS has no DataNode that answers; {_UP}", _NO_ANSWER_S)
    free = int(namenode.get("Free", _ONE_BLOCK))
    if free < _ONE_BLOCK:
        says = (
            f"HDFS is full: {free >> 20} MB are left on the disks of its DataNodes; free some "
            "space, then go on with --run-id"
        )
        return Cause("full", says)
    return None


def cause_of(seen: Seen, silent_s: float) -> Cause:
    """Return why a job did not go on for `silent_s` seconds."""
    found = trouble(seen)
    if found:
        return found
    app, nodes = seen.application, seen.nodes or ()
    if not app:
        return Cause("client", "Hadoop's client has not submitted it yet")
    asks = _pending(app)
    too_large = next((ask for ask in asks if not _fits_any(ask, nodes)), None)
    if too_large:
        most = max(map(_total, _in_state(nodes, "RUNNING")), key=lambda node: node["memory"])
        says = (
            f"it asks for {_told(too_large)} for a container and the largest node of YARN has "
            f"{_told(most)}; ask for less, or add a larger node"
        )
        return Cause("large", says, _TOO_LARGE_S, NeverRunsError)
    if app.get("state") in _WAITING or asks:
        return _no_room(seen, is_master=app.get("state") in _WAITING)
    if seen.attempts:
        named = [f"{attempt} on {host}" for attempt, host in seen.attempts]
        says = f"{_some(named)} {'says' if len(named) == 1 else 'say'} nothing for {silent_s:.0f} s"
        return Cause(f"silent {sorted(seen.attempts)}", f"{says}; Hadoop ends a silent task")
    return Cause(f"state {app.get('state')}", f"YARN says {app.get('state')} and no more")


def refusal(said: str) -> str | None:
    """Return what YARN or HDFS refuses for good, out of what a client or master said; or None.

    >>> refusal("x.YarnException: Failed to submit application_1 to YARN : Queue root.a is STOPPED")
    'YARN refuses it: Queue root.a is STOPPED'
    """
    large = _TOO_LARGE.search(said)
    if large:
        asked, most = large.groups()
        return f"it asks for {asked} for a container and YARN gives {most} at most; ask for less"
    if "token is expired" in said:
        return (
            "a host of YARN found the master's order to start a container too old, so its clock is "
            "ten minutes or more ahead; set the clocks of all hosts, by NTP"
        )
    refused = _REFUSED.search(said)
    return f"YARN refuses it: {refused.group(1).strip()}" if refused else None


_TOO_LARGE = re.compile(
    r"(?:Requested resource=|ResourceRequest: )(<[^>]+>),? "
    r"(?:maximum allowed allocation=|maxContainerCapability:)(<[^>]+>)"
)
_REFUSED = re.compile(r"Failed to submit \S+ to YARN : (?:[\w.$]+Exception: )?(.+)")


def _no_room(seen: Seen, *, is_master: bool) -> Cause:
    """Say who holds what a job waits for."""
    app, queue = seen.application, seen.queue
    name = queue.get("queueName") or app.get("queue") or "?"
    holders = [o for o in seen.others if int(o.get("allocatedMB") or 0) > 0]
    held = [f"{o['id']} ({o['name']} of {o['user']}, {o['allocatedMB']} MB)" for o in holders]
    by = f", held by {_some(held)}" if held else ""
    nodes = _in_state(seen.nodes or (), "RUNNING")
    total = sum(_total(node)["memory"] for node in nodes)
    free = sum(int(node.get("availMemoryMB", 0)) for node in nodes)
    room = f"{total - free} of YARN's {total} MB are in use{by}{_sick(seen.nodes or ())}"
    key = f"room {is_master} {sorted(o['id'] for o in holders)}"
    if queue.get("state", "RUNNING") != "RUNNING":
        key, room = f"{key} {queue['state']}", f"its state is {queue['state']}; {room}"
    if "AM resource limit" in str(app.get("diagnostics", "")):
        limit = queue.get("AMResourceLimit", {}).get("memory", "?")
        says = f"queue {name} starts no more masters than fit into {limit} MB{by}"
        return Cause(f"limit {key}", says)
    what = "its master" if is_master else "more containers"
    return Cause(
        key,
        f"{what} waits for room in queue {name}: {room}".replace(
            "containers waits", "containers wait"
        ),
    )


def _pending(app: Mapping[str, Any]) -> list[Mapping[str, int]]:
    """List what an application asks for and has not got."""
    return [
        request["capability"]
        for request in app.get("resourceRequests") or ()
        if request.get("resourceName") == "*" and int(request.get("numContainers", 0)) > 0
    ]


def _fits_any(ask: Mapping[str, int], nodes: Iterable[Mapping[str, Any]]) -> bool:
    """Say whether a container could ever run on a node.

    YARN may be set to count memory only; more cores than any node has are too many when they are
    what keeps it from a node with enough memory free.
    """
    running = _in_state(nodes, "RUNNING")
    if not any(ask["memory"] <= _total(node)["memory"] for node in running):
        return False
    if any(ask["vCores"] <= _total(node)["vCores"] for node in running):
        return True
    return all(int(node.get("availMemoryMB", 0)) < ask["memory"] for node in running)


def _in_state(nodes: Iterable[Mapping[str, Any]], *states: str) -> list[Mapping[str, Any]]:
    return [node for node in nodes if node.get("state") in states]


def _total(node: Mapping[str, Any]) -> dict[str, int]:
    total = node.get("totalResource") or {}
    return {kind: int(total.get(kind, 0)) for kind in ("memory", "vCores")}


def _told(resource: Mapping[str, int]) -> str:
    return f"{resource['memory']} MB and {resource['vCores']} core(s)"


def _sick(nodes: Iterable[Mapping[str, Any]]) -> str:
    """Name the nodes that are there and cannot be used, and why."""
    named = [
        f"{node.get('nodeHostName') or node['id']} is {node['state'].lower()}"
        + (f": {report}" if (report := _sentence(str(node.get("healthReport") or ""))) else "")
        for node in _in_state(nodes, "UNHEALTHY", "LOST")
    ]
    return f" ({_some(named, '; ')})" if named else ""


def _some(named: Sequence[str], joint: str = ", ") -> str:
    more = f" and {len(named) - _MAX_NAMED} more" if len(named) > _MAX_NAMED else ""
    return joint.join(named[:_MAX_NAMED]) + more


def _sentence(text: str) -> str:
    return " ".join(text.split()).rstrip(" .;")

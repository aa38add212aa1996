"""Deploy, look at and destroy the project's own Hadoop cluster; the only caller of the playbooks.

Facts of a cluster are in its mark, `.cluster.json`, which the deployment writes: nothing here knows
a port or a directory of Hadoop.
"""

from __future__ import annotations

import fcntl
import json
import re
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mr_jobs.lib.errors import ClusterError, ConfigError
from pipeline.cluster_mark import (
    COMPONENTS,
    DEFAULT_NAME,
    MARK,
    Cluster,
    cluster_dir,
    mark_saved,
    mark_unsaved,
    read_mark,
    unsaved_runs,
)
from pipeline.playbooks import ROOT, Playbook, run_playbook

__all__ = [
    "COMPONENTS",
    "DEFAULT_NAME",
    "MARK",
    "Cluster",
    "UpResult",
    "cluster_dir",
    "down",
    "jars",
    "mark_saved",
    "mark_unsaved",
    "new_id",
    "status",
    "unsaved_runs",
    "up",
]

LOCKS_DIR = ROOT / "var" / "locks"
RECEIPTS_DIR = ROOT / "var" / "receipts"
PORT_BASE_RANGE = range(1024, 65500)

Progress = Callable[[str], None]


@dataclass(frozen=True)
class UpResult:
    """What `up` did: `changed` counts the tasks that changed something; `seconds` is wall time."""

    cluster: Cluster
    changed: int
    seconds: float
    created: bool


def new_id(name: str) -> str:
    """Make an identity for a cluster that is going to be deployed."""
    return f"{name}-{uuid.uuid4().hex[:12]}"


def up(
    name: str,
    *,
    directory: Path | None = None,
    port_base: int | None = None,
    tarball: str | None = None,
    tarball_sha512: str | None = None,
    components: list[str] | None = None,
    cluster_id: str | None = None,
    progress: Progress,
) -> UpResult:
    """Deploy a cluster, or start what is missing of it; HDFS data stay.

    Parameters
    ----------
    name : name of the cluster; the default directory and the identity go by it.
    directory : place of the cluster, empty or this cluster's own.
    port_base : first of its ports; two clusters side by side need two bases.
    tarball, tarball_sha512 : an Apache tarball (URL or path) instead of Maven, and its checksum.
    components : optional parts, of `COMPONENTS`; those that the cluster has already stay.
    cluster_id : identity for the cluster if it is new, from `new_id`.
    progress : called with one short line for each task.

    Raises
    ------
    ConfigError : wrong arguments, or the machine is not fit (Java, memory, disk, ports, directory).
    ClusterError : the deployment failed; the message names task, host, reason and log.
    """
    if tarball and not re.fullmatch(r"[0-9a-fA-F]{128}", tarball_sha512 or ""):
        raise ConfigError("a Hadoop tarball needs its sha512, 128 hexadecimal digits")
    if port_base is not None and port_base not in PORT_BASE_RANGE:
        raise ConfigError(f"port base {port_base} is not between 1024 and 65499")
    place = cluster_dir(name, directory)
    started = time.monotonic()
    with _lock(name, place):
        mark = read_mark(place) or {}
        old_base = mark.get("port_base")
        if port_base and old_base and port_base != old_base:
            raise ConfigError(
                f"cluster {name} has its ports from {old_base} on, not from {port_base}; "
                "destroy it first to move them"
            )
        variables: dict[str, Any] = _variables(name, place)
        variables["cluster_expected_id"] = mark.get("id") or cluster_id or new_id(name)
        if port_base or old_base:
            variables["cluster_port_base"] = port_base or old_base
        variables["cluster_components"] = sorted({*mark.get("components", ()), *(components or ())})
        if not tarball:  # a cluster stays what it was made from
            tarball, tarball_sha512 = mark.get("tarball"), mark.get("tarball_sha512")
        if tarball:
            variables.update(hadoop_tarball=tarball, hadoop_tarball_sha512=tarball_sha512)
        done = run_playbook("deploy", variables, progress)
    seconds = time.monotonic() - started
    return UpResult(Cluster.load(place), done.changed, seconds, created=not mark)


def jars(progress: Progress) -> Path:
    """Resolve Hadoop's jars into the cache without deploying anything; return their directory.

    Raises
    ------
    ClusterError : Maven is missing or cannot resolve them.
    """
    done = run_playbook("jars", {}, progress)
    return Path(next(iter(done.result("hadoop_jars").values()))["home"]) / "lib"


def status(name: str, *, directory: Path | None = None) -> dict[str, Any]:
    """Describe a cluster and its daemons; something that is down is a fact, not an error.

    Returns
    -------
    {name, dir, exists}, and for a cluster that exists also id, `ok` and `daemons`:
    {daemon: {pid, ok, says, url, figures}}, with the figures of the NameNode (live_datanodes,
    used_bytes, free_bytes, capacity_bytes) and ResourceManager (active_nodemanagers, apps_running).
    """
    place = cluster_dir(name, directory)
    answer: dict[str, Any] = {"name": name, "dir": str(place), "exists": False}
    try:
        mark = read_mark(place)
        if mark is None:
            return answer
        answer.update(exists=True, id=mark["id"], ok=False, daemons={}, unsaved=unsaved_runs(place))
        variables = _variables(name, place)
        variables.update(cluster_expected_id=mark["id"], cluster_port_base=mark.get("port_base", 0))
        variables["cluster_components"] = mark.get("components", [])
        done = run_playbook("status", variables, lambda _: None)
    except ClusterError as error:
        return {**answer, "exists": True, "ok": False, "problem": str(error)}
    for host in done.result("cluster_health").values():
        answer["daemons"].update(host["health"])
    answer["ok"] = all(daemon["ok"] for daemon in answer["daemons"].values())
    return answer


def down(
    name: str,
    *,
    directory: Path | None = None,
    discard_unsaved: bool = False,
    expected_id: str | None = None,
    progress: Progress,
) -> Path | None:
    """Destroy a cluster and prove that nothing of it is left.

    Parameters
    ----------
    discard_unsaved : go on although outputs of a run are only in this cluster.
    expected_id : destroy only the cluster with this id.

    Returns
    -------
    The receipt, a JSON file outside the cluster; None when there was nothing to destroy.

    Raises
    ------
    ClusterError : the directory is not this cluster's, an output is unsaved, or something is left.
    """
    place = cluster_dir(name, directory)
    began = datetime.now(UTC)
    with _lock(name, place):
        variables: dict[str, Any] = _variables(name, place)
        variables.update(
            cluster_expected_id=expected_id or "", cluster_discard_unsaved=discard_unsaved
        )
        done = run_playbook("destroy", variables, progress)
    return _write_receipt(name, place, began, done)


def _variables(name: str, place: Path) -> dict[str, Any]:
    return {"cluster_name": name, "cluster_dir": str(place)}


@contextmanager
def _lock(name: str, place: Path) -> Iterator[None]:
    """Let one `up` or `down` at a time change a cluster; the lock ends with the process."""
    LOCKS_DIR.mkdir(parents=True, exist_ok=True)
    with (LOCKS_DIR / f"cluster-{name}-{uuid.uuid5(uuid.NAMESPACE_URL, str(place))}").open(
        "w"
    ) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ClusterError(
                f"another `pipeline` is deploying or destroying the cluster {name}; wait for it"
            ) from error
        yield


def _write_receipt(name: str, place: Path, began: datetime, done: Playbook) -> Path | None:
    """Write what was destroyed and what was looked at afterwards."""
    hosts = {
        host: {
            "id": result["mark"]["id"],
            "size_bytes": result["size_bytes"],
            "stopped": done.result("cluster_daemons").get(host, {}).get("stopped", []),
            **result["proof"],
        }
        for host, result in done.result("cluster_destroy").items()
        if result.get("exists")
    }
    if not hosts:
        return None
    ended = datetime.now(UTC)
    receipt = {
        "name": name,
        "dir": str(place),
        "began": began.isoformat(timespec="seconds"),
        "seconds": round((ended - began).total_seconds(), 1),
        "hosts": hosts,
    }
    RECEIPTS_DIR.mkdir(parents=True, exist_ok=True)
    path = RECEIPTS_DIR / f"{ended.strftime('%Y%m%dT%H%M%SZ')}-{name}.json"
    path.write_text(json.dumps(receipt, indent=2) + "\n")
    return path

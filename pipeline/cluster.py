"""Deploy, look at and destroy the project's own Hadoop cluster; the only caller of the playbooks.

Facts of a cluster are in its mark, `.cluster.json`, which the deployment writes: nothing here knows
a port or a directory of Hadoop.
"""

from __future__ import annotations

import fcntl
import getpass
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Unpack

from mr_jobs.lib.errors import ClusterError, ConfigError
from pipeline import secure, worker_env
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
from pipeline.cluster_options import Options, as_path, facts_of, wanted_hosts
from pipeline.inventory import for_ansible
from pipeline.playbooks import ROOT, Playbook, run_playbook
from pipeline.receipts import write_receipt

__all__ = [
    "COMPONENTS",
    "DEFAULT_NAME",
    "MARK",
    "Cluster",
    "Options",
    "UpResult",
    "cluster_dir",
    "down",
    "jars",
    "lock",
    "mark_saved",
    "mark_unsaved",
    "new_id",
    "on_cluster",
    "restart",
    "status",
    "unsaved_runs",
    "up",
]

LOCKS_DIR = ROOT / "var" / "locks"
RECEIPTS_DIR = ROOT / "var" / "receipts"

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
    name: str, *, cluster_id: str | None = None, progress: Progress, **options: Unpack[Options]
) -> UpResult:
    """Deploy a cluster, or start what is missing of it; HDFS data stay.

    Parameters
    ----------
    name : name of the cluster; the default directory and the identity go by it.
    cluster_id : identity for the cluster if it is new, from `new_id`.
    progress : called with one short line for each task.
    options : see `Options`.

    Raises
    ------
    ConfigError : wrong arguments, or a machine is not fit (Java, memory, disk, ports, directory).
    ClusterError : the deployment failed; the message names task, host, reason and log.
    """
    place = cluster_dir(name, as_path(options.get("directory")))
    started = time.monotonic()
    with lock(name, place):
        mark = read_mark(place) or {}
        variables = {
            **_variables(name, place),
            **facts_of(mark, options),
            "cluster_expected_id": mark.get("id") or cluster_id or new_id(name),
        }
        hosts = wanted_hosts(mark, options.get("inventory"))
        if hosts:
            variables["cluster_inventory"] = hosts
            variables["cluster_wheels"] = str(worker_env.wheels(progress))
        with secure.deploying(name, place, variables) as secrets:
            done = run_playbook(
                "deploy",
                {**variables, **secrets},
                progress,
                inventory=for_ansible(hosts) if hosts else None,
            )
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
    {daemon: {pid, ok, says, url, figures}}, or {daemon@host: …} on several hosts, with the figures
    of the NameNode (live_datanodes, used_bytes, free_bytes, capacity_bytes) and ResourceManager
    (active_nodemanagers, apps_running).
    """
    place = cluster_dir(name, directory)
    answer: dict[str, Any] = {"name": name, "dir": str(place), "exists": False}
    try:
        mark = read_mark(place)
        if mark is None:
            return answer
        answer.update(exists=True, id=mark["id"], ok=False, daemons={}, unsaved=unsaved_runs(place))
        answer.update(secure.told(mark))
        hosts = mark.get("inventory")
        done = on_cluster("status", name, place, mark, lambda _: None, needs_all=False)
    except ClusterError as error:
        return {**answer, "exists": True, "ok": False, "problem": str(error)}
    for host, found in done.result("cluster_health").items():
        at = f"@{host}" if hosts else ""
        away: dict[str, Any] = {
            "host": {
                "pid": None,
                "ok": False,
                "url": "",
                "says": "cannot be reached",
                "figures": {},
            }
        }
        health = found.get("health", away)
        answer["daemons"].update({f"{daemon}{at}": state for daemon, state in health.items()})
    answer["ok"] = all(daemon["ok"] for daemon in answer["daemons"].values())
    return answer


def restart(name: str, *, directory: Path | None = None, progress: Progress) -> None:
    """Restart all daemons, one host after the other, each well before the next.

    Raises
    ------
    ClusterError : there is no such cluster, or a host did not get well.
    """
    place = cluster_dir(name, directory)
    with lock(name, place):
        mark = read_mark(place)
        if mark is None:
            raise ClusterError(f"there is no cluster {name}; make one with `bin/pipeline up`")
        on_cluster("restart", name, place, mark, progress)


def on_cluster(
    playbook: str,
    name: str,
    place: Path,
    mark: dict[str, Any],
    progress: Progress,
    needs_all: bool = True,
    **more: object,
) -> Playbook:
    """Run a playbook on a cluster that is there, with the facts of its mark.

    `needs_all`: a host that cannot be reached is an error; `more` are further variables.
    """
    hosts = mark.get("inventory")
    variables = {
        **_variables(name, place),
        **facts_of(mark, {}),
        "cluster_expected_id": mark["id"],
        **more,
    }
    inventory = for_ansible(hosts) if hosts else None
    return run_playbook(playbook, variables, progress, inventory=inventory, needs_all=needs_all)


def down(
    name: str,
    *,
    directory: Path | None = None,
    discard_unsaved: bool = False,
    expected_id: str | None = None,
    missing: Sequence[str] = (),
    progress: Progress,
) -> Path | None:
    """Destroy a cluster and prove that nothing of it is left.

    Parameters
    ----------
    discard_unsaved : go on although outputs of a run are only in this cluster.
    expected_id : destroy only the cluster with this id.
    missing : hosts that are gone for good: what is left on them stays, and the receipt says so.

    Returns
    -------
    The receipt, a JSON file outside the cluster; None when there was nothing to destroy.

    Raises
    ------
    ClusterError : the directory is not this cluster's, an output is unsaved, or something is left.
    """
    place = cluster_dir(name, directory)
    began = datetime.now(UTC)
    with lock(name, place):
        variables: dict[str, Any] = _variables(name, place)
        variables.update(
            cluster_expected_id=expected_id or "", cluster_discard_unsaved=discard_unsaved
        )
        hosts = _known_hosts(place)
        unknown = sorted(set(missing) - set((hosts or {}).get("hosts", ())))
        if unknown:
            raise ConfigError(f"{unknown[0]} is not a host of the cluster {name}")
        done = run_playbook(
            "destroy",
            variables,
            progress,
            inventory=for_ansible(hosts) if hosts else None,
            limit=":".join(["all", *(f"!{host}" for host in missing)]) if missing else None,
        )
        secure.forget(name, place)
    return write_receipt(RECEIPTS_DIR, name, place, began, done, missing)


def _known_hosts(place: Path) -> dict[str, Any] | None:
    """Return the hosts that a cluster's mark names; a damaged mark is for the playbook to judge."""
    try:
        return (read_mark(place) or {}).get("inventory")
    except ClusterError:
        return None


def _variables(name: str, place: Path) -> dict[str, Any]:
    return {
        "cluster_name": name,
        "cluster_local_dir": str(place),
        "cluster_submitter": getpass.getuser(),
        "cluster_python_version": f"{sys.version_info.major}.{sys.version_info.minor}",
    }


@contextmanager
def lock(name: str, place: Path) -> Iterator[None]:
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

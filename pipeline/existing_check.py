"""Ask an existing cluster whether the pipeline can work on it; every problem is a sentence."""

from __future__ import annotations

import getpass
import math
import os
import pwd
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests

from mr_jobs.lib.errors import ConfigError
from pipeline import cluster_http
from pipeline.existing_conf import Settings
from pipeline.existing_hadoop import Hadoop, client

# What the pipeline keeps in its HDFS directory, see docs/architecture.md.
OURS = ("images", "runs", "code", "tmp")
_SCRATCH = "predict-"
_TIMEOUT_S = 10
_QUEUES = "org.apache.hadoop.mapred.JobQueueClient"
_SUBMIT = "SUBMIT_APPLICATIONS"
_OLDEST = 3
_TASK_MB, _STEP_MB = 2048, 256
_TASK_VIRTUAL_MB = 5200  # measured 4700: of a JVM 2020, of Python with OpenCV and SciPy 2660


def check_user(problems: list[str]) -> None:
    """Hadoop's client and WebHDFS have to take the user for the same one."""
    user = getpass.getuser()
    hadoop_user = os.environ.get("HADOOP_USER_NAME") or pwd.getpwuid(os.getuid()).pw_name
    if hadoop_user != user:
        problems.append(
            f"you are {user} here, but {hadoop_user} for Hadoop's client: set LOGNAME and "
            "HADOOP_USER_NAME to the same name, or unset both"
        )


def find_namenode(urls: tuple[str, ...], problems: list[str]) -> str | None:
    """Return the address of the NameNode that is active, unless it can store nothing."""
    for url in urls:
        if _bean(url, "NameNodeStatus").get("State") == "active":
            break
    else:
        problems.append(
            f"no active NameNode answers at {', '.join(urls)} (dfs.namenode.http-address)"
        )
        return None
    if _bean(url, "NameNodeInfo").get("Safemode"):
        problems.append(
            f"the NameNode at {url} is in safe mode, where nothing can be written; "
            "`hdfs dfsadmin -safemode get` says when it is over"
        )
    if not _bean(url, "FSNamesystemState").get("NumLiveDataNodes"):
        problems.append(f"the NameNode at {url} has no live DataNode")
    return url


def _bean(url: str, name: str) -> dict[str, Any]:
    answer = _get(f"{url}/jmx?qry=Hadoop:service=NameNode,name={name}")
    return next(iter(answer.get("beans", ())), {})


def task_mb(settings: Settings) -> int:
    """Return the MiB that a task asks for: a JVM, and a Python process of up to 700 MiB.

    Where YARN looks at the address space, too, they have to be enough for that.
    """
    if not settings.is_true("yarn.nodemanager.vmem-check-enabled", "true"):
        return _TASK_MB
    ratio = settings.number("yarn.nodemanager.vmem-pmem-ratio", 2.1)
    return max(_TASK_MB, math.ceil(_TASK_VIRTUAL_MB / ratio / _STEP_MB) * _STEP_MB)


def find_manager(urls: tuple[str, ...], settings: Settings, problems: list[str]) -> str | None:
    """Return the address of the ResourceManager that is active, unless no job fits its nodes."""
    for url in urls:
        info = _get(f"{url}/ws/v1/cluster/info").get("clusterInfo", {})
        if info.get("haState") == "ACTIVE":
            break
    else:
        problems.append(
            f"no active ResourceManager answers at {', '.join(urls)} "
            "(yarn.resourcemanager.webapp.address)"
        )
        return None
    version = str(info.get("hadoopVersion", ""))
    if int(version.partition(".")[0] or 0) < _OLDEST:
        problems.append(f"YARN at {url} is of Hadoop {version}; {_OLDEST}.0 or newer is needed")
    metrics = _get(f"{url}/ws/v1/cluster/metrics").get("clusterMetrics", {})
    if not metrics.get("activeNodes"):
        problems.append(f"YARN at {url} has no healthy NodeManager")
        return url
    master_mb = int(settings.number("yarn.app.mapreduce.am.resource.mb", 1536))
    if metrics["totalMB"] < master_mb + task_mb(settings):
        problems.append(
            f"YARN at {url} has {metrics['totalMB']} MiB in all, but a job takes {master_mb} for "
            f"its master and {task_mb(settings)} for a task"
        )
    return url


def check_queue(url: str, queue: str, hadoop: Hadoop, problems: list[str]) -> None:
    """Look whether a queue is there, is open, and takes applications of this user."""
    info = _get(f"{url}/ws/v1/cluster/scheduler").get("scheduler", {}).get("schedulerInfo", {})
    leaves = {path: state for path, state in _leaves(info, "")}
    named = [path for path in leaves if queue in (path, path.rpartition(".")[2])]
    if info.get("type") == "capacityScheduler" and not named:  # a fair one makes queues by itself
        problems.append(
            f"YARN has no queue {queue} for jobs; there: {', '.join(sorted(leaves))}: name one "
            "with --queue"
        )
        return
    if named and leaves[named[0]] != "RUNNING":
        problems.append(f"the queue {queue} takes no applications: it is {leaves[named[0]]}")
    try:
        said = client([str(hadoop.program), _QUEUES, "-showacls"], hadoop.conf_dir)
    except ConfigError as error:
        problems.append(str(error))
        return
    allowed = [line.split()[0] for line in said.splitlines() if _SUBMIT in line]
    if not any(queue in (path, path.rpartition(".")[2]) for path in allowed):
        ends = ", ".join(path for path in allowed if path in leaves) or "none"
        problems.append(
            f"{getpass.getuser()} may not submit to the queue {queue}, but to: {ends}; name "
            "another with --queue"
        )


def _leaves(queue: dict[str, Any], above: str) -> Iterator[tuple[str, str]]:
    """Yield the path and state of the queues without queues below them, of either scheduler."""
    if "rootQueue" in queue:  # the fair scheduler's
        yield from _leaves(queue["rootQueue"], "")
        return
    name = str(queue.get("queueName", "default"))
    path = name if name.startswith("root") else f"{above}.{name}"
    below = (queue.get("queues") or queue.get("childQueues") or {}).get("queue") or []
    for child in below if isinstance(below, list) else [below]:
        yield from _leaves(child, path)
    if not below:
        yield path, str(queue.get("state", "RUNNING"))


def check_directory(url: str, path: str, problems: list[str]) -> None:
    """Look whether the HDFS directory is for the pipeline alone, and this user may write to it."""
    status = _webhdfs("GET", url, path, "GETFILESTATUS")
    if _exception(status) == "FileNotFoundException":
        return  # `make_directory` tries
    told = f"{path} in HDFS"
    if _exception(status) is None and status["FileStatus"]["type"] != "DIRECTORY":
        problems.append(f"{told} is no directory; name another with --hdfs-dir")
        return
    access = _webhdfs("GET", url, path, "CHECKACCESS", fsaction="rwx")
    denied = _exception(status) or _exception(access)
    if denied:
        owner = status.get("FileStatus", {}).get("owner")
        of = f" of {owner}" if owner else ""
        problems.append(
            f"{told} is a directory{of} that {getpass.getuser()} may not write to ({denied}); name "
            "another with --hdfs-dir"
        )
        return
    listed = _webhdfs("GET", url, path, "LISTSTATUS")["FileStatuses"]["FileStatus"]
    names = sorted(entry["pathSuffix"] for entry in listed)
    others = [name for name in names if name not in OURS and not name.startswith(_SCRATCH)]
    if others:
        problems.append(
            f"{told} has what is not the pipeline's ({', '.join(others[:3])}); name a directory "
            "of its own with --hdfs-dir"
        )


def make_directory(url: str, path: str, problems: list[str]) -> None:
    """Make the HDFS directory, for this user only, unless it is there."""
    status = _webhdfs("GET", url, path, "GETFILESTATUS")
    if _exception(status) is None:
        return
    made = _webhdfs("PUT", url, path, "MKDIRS", permission="700")
    if not made.get("boolean"):
        problems.append(
            f"{getpass.getuser()} cannot make {path} in HDFS ({_exception(made)}); have "
            f"{Path(path).parent} made for you, or name another directory with --hdfs-dir"
        )


def _webhdfs(method: str, url: str, path: str, op: str, **params: str) -> dict[str, Any]:
    """Return the answer to a WebHDFS operation, also one that is a refusal."""
    try:
        answer = cluster_http.session(url).request(
            method,
            f"{url}/webhdfs/v1{path}",
            params={"op": op, **cluster_http.user_query(url), **params},
            timeout=_TIMEOUT_S,
        )
        return dict(answer.json()) if answer.content else {}
    except (requests.RequestException, ValueError) as error:
        return {"RemoteException": {"exception": type(error).__name__}}


def _exception(answer: dict[str, Any]) -> str | None:
    name = answer.get("RemoteException", {}).get("exception")
    return str(name) if name else None


def _get(url: str) -> dict[str, Any]:
    """Return a JSON answer; an empty one when there is none."""
    try:
        answer = cluster_http.session(url).get(
            url,
            params=cluster_http.user_query(url),
            headers={"Accept": "application/json"},
            timeout=_TIMEOUT_S,
            allow_redirects=False,  # of a standby, to the active one
        )
        return dict(answer.json()) if answer.ok else {}
    except (requests.RequestException, ValueError):
        return {}

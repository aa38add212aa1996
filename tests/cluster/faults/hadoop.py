"""Daemons, queues and jobs of a cluster for fault tests: what a test breaks here, it mends here."""

from __future__ import annotations

import io
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from mr_jobs.lib.errors import ClusterError
from pipeline import yarn
from pipeline.cluster import Cluster
from pipeline.job_arguments import JobSpec
from pipeline.jobs import JobResult, run_job
from pipeline.progress import Progress
from pipeline.stores import HdfsStore
from tests.cluster import pipelines as p
from tests.cluster.faults.mr_gate import MRGate

CLASSES = {
    "namenode": "NameNode",
    "datanode": "DataNode",
    "resourcemanager": "ResourceManager",
    "nodemanager": "NodeManager",
    "historyserver": "JobHistoryServer",
}
_RMADMIN = "org.apache.hadoop.yarn.client.cli.RMAdminCLI"
OWN_TASKS = "mapreduce.job.ubertask.enable=false"  # not inside the application master
# A master goes on believing for seconds that a worker which was killed is well.
_REGISTERED = {
    "datanode": b"uccessfully registered with NN",
    "nodemanager": b"Registered with ResourceManager",
}
T = TypeVar("T")
_HTTP = (1, 4, 9, 13, 16)  # ports of the daemons' web pages, from the cluster's first one on


def wait_for(find: Callable[[], T], limit_s: float = 240.0) -> T:
    """Wait until something is found, and return it."""
    deadline = time.monotonic() + limit_s
    while not (found := find()):
        assert time.monotonic() < deadline, f"not there after {limit_s} s: {find}"
        time.sleep(0.1)
    return found


def daemon(cluster: Cluster, name: str) -> list[int]:
    """Return the process of a daemon; none when it does not run."""
    return p.daemon(cluster, CLASSES[name])


def stop(cluster: Cluster, name: str) -> None:
    """End a daemon by SIGKILL, and see it gone."""
    p.kill(daemon(cluster, name))
    wait_for(lambda: not daemon(cluster, name))


def start(
    cluster: Cluster, name: str, conf: Path | None = None, env: Mapping[str, str] | None = None
) -> None:
    """Start a daemon by the cluster's own launcher, and wait until it is of use."""
    log = cluster.log_dir / f"{name}.log"
    before = log.stat().st_size
    with (cluster.log_dir / f"{name}.out").open("ab") as out:
        subprocess.run(
            ["setsid", "--fork", cluster.hadoop_bin, "--config", conf or cluster.conf_dir, name],
            cwd=cluster.dir, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
            env={**os.environ, **(env or {})}, check=True,
        )  # fmt: skip
    wait_for(lambda: daemon(cluster, name))
    wait_for(lambda: _REGISTERED.get(name, b"") in log.read_bytes()[before:])


def is_well(cluster: Cluster) -> bool:
    """Say whether every daemon runs and YARN and HDFS take work."""
    if not all(daemon(cluster, name) for name in CLASSES):
        return False
    for number in _HTTP:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", cluster.port_base + number)):
                return False
    hdfs = yarn.namenode(cluster.webhdfs_url) or {}
    return has_node(cluster) and hdfs.get("Safemode") == "" and _takes_files(cluster)


def _takes_files(cluster: Cluster) -> bool:
    try:
        HdfsStore(cluster.webhdfs_url, cluster.fs_uri, "/faults-well").write("file", [b"well"])
    except ClusterError:
        return False
    return True


def masters(cluster: Cluster, application_id: str) -> list[int]:
    """Return the application master of a job."""
    return p.processes(
        lambda argv, cwd: (
            any(arg.endswith(".MRAppMaster") for arg in argv)
            and cwd.is_relative_to(cluster.dir)
            and application_id in cwd.parts
        )
    )


def free_bytes(cluster: Cluster) -> int:
    """Return the room that HDFS has, as its NameNode knows."""
    return int((yarn.namenode(cluster.webhdfs_url) or {}).get("Free", 0))


def has_node(cluster: Cluster, state: str = "RUNNING") -> bool:
    """Say whether YARN knows a node in that state."""
    nodes = yarn.nodes(cluster.resourcemanager_url) or []
    return any(node["state"] == state for node in nodes)


@contextmanager
def other_settings(
    cluster: Cluster, name: str, settings: Mapping[str, object], scratch: Path
) -> Iterator[None]:
    """Run a daemon with other settings for a while; the cluster's own files stay as they are."""
    conf = scratch / f"conf-{uuid.uuid4().hex[:8]}"
    shutil.copytree(cluster.conf_dir, conf)
    for file in ("core-site.xml", "hdfs-site.xml", "yarn-site.xml", "mapred-site.xml"):
        add_settings(conf / file, settings)
    stop(cluster, name)
    try:
        start(cluster, name, conf)
        yield
    finally:
        stop(cluster, name)
        start(cluster, name)
        wait_for(lambda: is_well(cluster))


def add_settings(path: Path, settings: Mapping[str, object]) -> None:
    """Add properties to a configuration file; the last one of a name counts."""
    lines = [
        f"<property><name>{k}</name><value>{v}</value></property>" for k, v in settings.items()
    ]
    path.write_text(
        path.read_text().replace("</configuration>", "\n".join([*lines, "</configuration>"]))
    )


@contextmanager
def other_queues(cluster: Cluster, settings: Mapping[str, object]) -> Iterator[None]:
    """Let the scheduler have other settings for a while."""
    path = cluster.conf_dir / "capacity-scheduler.xml"
    own = path.read_bytes()
    add_settings(path, settings)
    try:
        run(cluster, _RMADMIN, "-refreshQueues")
        yield
    finally:
        path.write_bytes(own)
        add_settings(path, {"yarn.scheduler.capacity.root.default.state": "RUNNING"})
        run(cluster, _RMADMIN, "-refreshQueues")  # a state that is not said stays what it was
        path.write_bytes(own)


@contextmanager
def smaller_node(cluster: Cluster, memory_mb: int) -> Iterator[None]:
    """Let the node have less memory for a while, as YARN sees it."""
    (node,) = yarn.nodes(cluster.resourcemanager_url) or []
    total = node["totalResource"]
    run(cluster, _RMADMIN, "-updateNodeResource", node["id"], memory_mb, total["vCores"])
    try:
        yield
    finally:
        own = (node["id"], total["memory"], total["vCores"])
        run(cluster, _RMADMIN, "-updateNodeResource", *own)


def run(cluster: Cluster, *words: object) -> str:
    """Run a program of Hadoop to its end."""
    command = [str(cluster.hadoop_bin), *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


class RunningJob:
    """A job of this process in a thread of its own, and what its progress said so far."""

    def __init__(self, cluster: Cluster, name: str, jobconf: Sequence[str], gates: Path) -> None:
        self._cluster = cluster
        self._said = io.StringIO()
        self.store = HdfsStore(
            cluster.webhdfs_url, cluster.fs_uri, cluster.in_hdfs(f"faults-{uuid.uuid4().hex[:8]}")
        )
        self.store.write("lines/one.txt", [b"one\ntwo\n"])
        self.map_gate, self.reduce_gate = gates / f"{name}-map", gates / f"{name}-reduce"
        args = ["--map-gate", str(self.map_gate), "--reduce-gate", str(self.reduce_gate)]
        self._spec = JobSpec(
            name, MRGate, [self.store.uri("lines")], self.store, "out", args, jobconf, total=2
        )
        self._thread = ThreadPoolExecutor(1)
        self.future: Future[JobResult] = self._thread.submit(
            run_job, self._spec, "hadoop", "faults", Progress(name, self._said), cluster
        )

    @property
    def said(self) -> str:
        return self._said.getvalue()

    @property
    def application_ids(self) -> list[str]:
        return re.findall(r"YARN application (application_\d+_\d+)", self.said)

    def open(self) -> None:
        """Let the tasks end."""
        self.map_gate.touch()
        self.reduce_gate.touch()

    def tasks(self, kind: str = "--mapper") -> list[int]:
        """Return the Python processes of the tasks."""
        return p.processes(
            lambda argv, cwd: (
                kind in argv
                and str(self.map_gate) in argv
                and cwd.is_relative_to(self._cluster.dir)
            )
        )

    def says(self, text: str, limit_s: float = 90.0) -> str:
        """Wait until the progress has said a text; return all that it said."""
        return wait_for(lambda: self.said if text in self.said else "", limit_s)

    def lines(self) -> list[bytes]:
        """Return the job's output."""
        return p.lines(self.store, "out")

    def end(self) -> None:
        """Let it come to its end; one that does not is killed, and so is its second try."""
        self.open()
        for _ in range(2):
            if wait([self.future], timeout=60).done:
                break
            for application_id in self.application_ids:
                yarn.kill(self._cluster.resourcemanager_url, application_id)
        self._thread.shutdown()


@contextmanager
def job(
    cluster: Cluster, gates: Path, *jobconf: str, name: str = "gate", is_open: bool = False
) -> Iterator[RunningJob]:
    """Start a job that waits for its gates; end it in any case."""
    running = RunningJob(cluster, name, jobconf, gates)
    try:
        if is_open:
            running.open()
        yield running
    finally:
        running.end()


def signal_all(pids: Sequence[int], number: signal.Signals) -> None:
    """Signal processes."""
    for pid in pids:
        os.kill(pid, number)


def line_with(text: str, part: str) -> str:
    """Return the first line that holds a text."""
    return next(line for line in text.splitlines() if part in line)


def thread(work: Callable[[], None]) -> threading.Thread:
    """Return a thread that is to be started; its error is the test's."""
    return threading.Thread(target=work, daemon=True)

"""A deployed cluster as somebody else's: queues that ask who is there, and what is in its HDFS."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline import yarn
from pipeline.cluster import Cluster
from tests.cluster import pipelines as p

OF_HADOOP = ("HADOOP_HOME", "HADOOP_CONF_DIR", "HADOOP_USER_NAME", "LOGNAME")
# root's own settings keep others from the queues below it
QUEUES = {
    "root.queues": "default,batch,locked,stopped",
    "root.default.capacity": "10",
    "root.batch.capacity": "70",
    "root.locked.capacity": "10",
    "root.stopped.capacity": "10",
    "root.stopped.state": "STOPPED",
    "root.acl_submit_applications": " ",
    "root.acl_administer_queue": " ",
    "root.batch.acl_submit_applications": "*",
    "root.locked.acl_submit_applications": "bob",
}


def admin(cluster: Cluster, *words: str) -> str:
    """Run Hadoop's program as who has deployed the cluster."""
    environ = {name: value for name, value in os.environ.items() if name not in OF_HADOOP}
    done = subprocess.run(
        [cluster.hadoop_bin, *words], env=environ, capture_output=True, text=True, check=True
    )
    return done.stdout


def set_property(path: Path, name: str, value: str) -> None:
    """Add a setting to a configuration file, after which it goes before an earlier one."""
    end = "</configuration>"
    new = f"<property><name>{name}</name><value>{value}</value></property>{end}"
    path.write_text(path.read_text().replace(end, new))


@contextmanager
def with_queues(cluster: Cluster, log: Path) -> Iterator[None]:
    """Run YARN's manager anew, with queues that ask who is there."""
    for name, value in QUEUES.items():
        path = cluster.conf_dir / "capacity-scheduler.xml"
        set_property(path, f"yarn.scheduler.capacity.{name}", value)
    set_property(cluster.conf_dir / "yarn-site.xml", "yarn.acl.enable", "true")
    set_property(cluster.conf_dir / "yarn-site.xml", "yarn.admin.acl", "bob")
    before = p.daemon(cluster, "ResourceManager")
    p.kill(before)
    p.wait_until_there(lambda: [] if p.daemon(cluster, "ResourceManager") else [1])
    with log.open("wb") as output:
        manager = subprocess.Popen(
            [cluster.hadoop_bin, "resourcemanager"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        _wait_for_node(cluster)
        yield
    finally:
        manager.kill()
        manager.wait()


def _wait_for_node(cluster: Cluster) -> None:
    p.wait_until_there(lambda: [1] if yarn.nodes(cluster.resourcemanager_url) else [])


def files(cluster: Cluster) -> set[str]:
    """Return all files and directories of HDFS but those that YARN keeps of jobs."""
    found = (
        line.split(maxsplit=7)[-1] for line in admin(cluster, "fs", "-ls", "-R", "/").splitlines()
    )
    return {path for path in found if not path.startswith("/tmp/hadoop-yarn")}  # noqa: S108


def daemons(cluster: Cluster) -> list[int]:
    """Return the processes of the cluster."""
    names = ("NameNode", "DataNode", "ResourceManager", "NodeManager", "JobHistoryServer")
    return [pid for name in names for pid in p.daemon(cluster, name)]

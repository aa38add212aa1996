"""How Spark is set for a cluster of ours: where it runs, what it may take, whom it listens to.

Nothing is installed on the cluster: the extra's own jars are used where they are. Spark's addresses
are loopback, its memory is within the cluster's containers, and its Java processes carry the
cluster's id, so that destroying the cluster finds what was left.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mr_jobs.job import ROOT
from mr_jobs.lib.errors import ClusterError, ConfigError
from pipeline import yarn
from pipeline.cluster_mark import Cluster, read_mark

DRIVER_MB = 768
MASTER_MB, MASTER_OVERHEAD_MB = 384, 384  # YARN's smallest for Spark
_LEAST_EXECUTOR_MB = 768
_PYTHON_MB = 350  # of a Python worker with NumPy and OpenCV, one a core
_GRACE_S = 15.0  # the masters of jobs that are done hold their containers for 5 s
_POLL_S = 0.2
_ONE_CORE = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
_KERNELS = ("OPENBLAS_", "NPY_")  # they choose NumPy's code: tasks and driver choose the same
_LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Room:
    """What YARN has for executors: so many, of so many cores and so much memory in MiB."""

    executors: int
    cores: int
    memory_mb: int

    @property
    def heap_mb(self) -> int:
        """The heap; the rest of the container is for Python workers and Java's own."""
        return self.memory_mb - max(384, self.cores * _PYTHON_MB)


def settings_for(cluster: Cluster | None, name: str, scratch: Path) -> dict[str, str]:
    """Return Spark's settings for a cluster.

    Parameters
    ----------
    scratch : directory for Spark's own files, removed with the session.

    Raises
    ------
    ClusterError
        YARN does not answer, or has no room.
    """
    shared = {
        "spark.app.name": name,
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.log.level": "ERROR",
        "spark.driver.host": _LOOPBACK,
        "spark.driver.bindAddress": _LOOPBACK,
        "spark.driver.memory": f"{DRIVER_MB}m",
        "spark.local.dir": str(scratch),
        "spark.sql.warehouse.dir": str(scratch / "warehouse"),
        "spark.sql.catalogImplementation": "in-memory",
    }
    if cluster is None:
        return {**shared, "spark.master": "local[2]"}
    return shared | _on_yarn(cluster, scratch) | _hive(cluster)


def _on_yarn(cluster: Cluster, scratch: Path) -> dict[str, str]:
    room = room_of(cluster)
    java = f"-Dcluster.id={cluster.id} -XX:+UseSerialGC -XX:-UsePerfData"
    java += " -Djava.net.preferIPv4Stack=true"
    worker = {**_ONE_CORE, **{k: v for k, v in os.environ.items() if k.startswith(_KERNELS)}}
    return {
        "spark.master": "yarn",
        "spark.submit.deployMode": "client",
        "spark.yarn.jars": f"local:{jars_dir()}/*",  # no upload of half a gigabyte
        "spark.yarn.stagingDir": f"{cluster.fs_uri}{cluster.in_hdfs('tmp')}",
        "spark.yarn.maxAppAttempts": "1",
        "spark.yarn.queue": cluster.queue or "default",
        "spark.yarn.am.memory": f"{MASTER_MB}m",
        "spark.yarn.am.memoryOverhead": f"{MASTER_OVERHEAD_MB}m",
        "spark.yarn.am.extraJavaOptions": java,
        "spark.yarn.appMasterEnv.SPARK_LOCAL_IP": _LOOPBACK,
        "spark.driver.extraJavaOptions": f"{java} -Djava.io.tmpdir={scratch}",
        "spark.executor.extraJavaOptions": java,
        "spark.executor.instances": str(room.executors),
        "spark.executor.cores": str(room.cores),
        "spark.executor.memory": f"{room.heap_mb}m",
        "spark.executor.memoryOverhead": f"{room.memory_mb - room.heap_mb}m",
        "spark.executorEnv.SPARK_LOCAL_IP": _LOOPBACK,
        **{f"spark.executorEnv.{name}": value for name, value in worker.items()},
    }


def _hive(cluster: Cluster) -> dict[str, str]:
    """Return how Spark reaches the metastore: with Hive's own client, as its protocol changed."""
    if cluster.metastore_uri is None or cluster.hive_lib_dir is None:
        return {}
    jars = ",".join(f"file://{folder}/*.jar" for folder in (cluster.hive_lib_dir, cluster.lib_dir))
    return {
        "spark.sql.catalogImplementation": "hive",
        "spark.sql.hive.metastore.version": cluster.hive_version or "4.0.1",
        "spark.sql.hive.metastore.jars": "path",
        "spark.sql.hive.metastore.jars.path": jars,
        "spark.sql.warehouse.dir": f"{cluster.fs_uri}/user/hive/warehouse",
        "spark.hadoop.hive.metastore.uris": cluster.metastore_uri,
    }


def room_of(cluster: Cluster) -> Room:
    """Ask YARN how large executors can be: one a node, beside Spark's application master.

    Raises
    ------
    ClusterError
        It does not answer, or has no room.
    """
    nodes = _nodes(cluster)
    if not nodes:
        raise ClusterError(
            f"cluster {cluster.name}: no NodeManager runs; `bin/pipeline up` starts what is missing"
        )
    free_mb = min(int(node["availMemoryMB"]) for node in nodes)
    memory_mb = free_mb - MASTER_MB - MASTER_OVERHEAD_MB
    cores = max(1, yarn.task_slots(cluster.resourcemanager_url) // len(nodes))
    while cores > 1 and Room(1, cores, memory_mb).heap_mb < _LEAST_EXECUTOR_MB // 2:
        cores -= 1
    if memory_mb < _LEAST_EXECUTOR_MB:
        raise ClusterError(
            f"cluster {cluster.name}: YARN has {free_mb} MiB free, and Spark needs "
            f"{_LEAST_EXECUTOR_MB + MASTER_MB + MASTER_OVERHEAD_MB}; wait for the jobs that run, "
            "see `bin/pipeline status`"
        )
    return Room(len(nodes), cores, memory_mb)


def _nodes(cluster: Cluster) -> list[dict[str, Any]]:
    """Return the nodes that run, once nothing is left on them of jobs that are done."""
    url = cluster.resourcemanager_url
    give_up_at = time.monotonic() + _GRACE_S
    while True:
        nodes = [node for node in yarn.nodes(url) or () if node["state"] == "RUNNING"]
        is_quiet = not any(int(node["usedMemoryMB"]) for node in nodes)
        if is_quiet or yarn.unfinished(url) or time.monotonic() > give_up_at:
            return nodes
        time.sleep(_POLL_S)


def jars_dir() -> Path:
    """Return the directory of Spark's jars, which are in the extra's package."""
    spec = find_spec("pyspark")
    if spec is None or spec.origin is None:
        raise ConfigError("Spark needs the extra spark: bin/setup --extra spark")
    return Path(spec.origin).parent / "jars"


def environment(cluster: Cluster | None, scratch: Path) -> dict[str, str]:
    """Return the variables that Spark's Java process is started with, besides this process's."""
    python = cluster.python_bin if cluster else None
    made = {
        "SPARK_LOCAL_IP": _LOOPBACK,
        "SPARK_LOCAL_DIRS": str(scratch),
        "PYSPARK_PYTHON": python or sys.executable,  # of the workers, read when a context is made
        **_ONE_CORE,
    }
    if cluster:
        made["HADOOP_CONF_DIR"] = str(cluster.conf_dir)
        java_home = (read_mark(cluster.dir) or {}).get("java_home")
        made |= {"JAVA_HOME": str(java_home)} if java_home else {}
    return made

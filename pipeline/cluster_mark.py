"""The facts of a deployed cluster, read from the mark that its deployment wrote."""

from __future__ import annotations

import json
import re
from dataclasses import Field, dataclass, fields
from pathlib import Path
from typing import Any

from mr_jobs.lib.errors import ClusterError, ConfigError
from pipeline import secure
from pipeline.playbooks import ROOT

DEFAULT_NAME = "imagenet"
CLUSTERS_DIR = ROOT / "var" / "clusters"
MARK = ".cluster.json"
COMPONENTS = {
    "hive": "HiveServer2 and a metastore, 1.5 GiB more",
    "hbase": "HBase with ZooKeeper and Thrift, 1.5 GiB more",
    "flume": "an agent that takes the images of a drop folder, 0.4 GiB more",
    "mahout": "Mahout's jobs",
    "sqoop": "Sqoop's jobs, with a driver for PostgreSQL",
}
UNSAVED = Path("run", "unsaved")
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_HDFS_DIR = "/imagenet"


@dataclass(frozen=True)
class Cluster:
    """A cluster: where its programs, addresses and logs are; None: it has no Hive.

    `python_bin` is the tasks' interpreter, None: the driver's; `hdfs_dir` the one directory in HDFS
    for all that the pipeline writes, None: the default; `queue` that of its jobs, None: YARN's own.
    `realm` is of Kerberos, None: the cluster trusts the names that it is told.
    `packages` is "archive" where jobs bring the tasks' Python packages, None: the hosts have them;
    `task_mb` the MiB of a task's container there, None: as the cluster is configured.
    `hbase_host` and `hbase_thrift_port` are of HBase's Thrift server (buffered, binary protocol),
    `hbase_zookeeper` and its port what a Java client needs, `hbase_root` its directory in HDFS,
    `hbase_bin` its launcher; None: the cluster has no HBase. `mahout_bin` is Mahout's launcher.
    `flume_url` is of Flume's counters, `flume_landing` its directory in HDFS, `drop_dir` the folder
    that it watches; `sqoop_bin` is Sqoop's launcher; None: the cluster has no such component.
    """

    name: str
    id: str
    dir: Path
    port_base: int
    hadoop_version: str
    hadoop_bin: Path
    conf_dir: Path
    streaming_jar: Path
    lib_dir: Path
    fs_uri: str
    webhdfs_url: str
    resourcemanager_url: str
    historyserver_url: str
    userlogs_dir: Path
    log_dir: Path
    python_bin: str | None = None
    hdfs_dir: str | None = None
    queue: str | None = None
    realm: str | None = None
    packages: str | None = None
    task_mb: int | None = None
    hive_host: str | None = None
    hive_port: int | None = None
    metastore_uri: str | None = None
    hive_version: str | None = None
    hive_lib_dir: Path | None = None
    hbase_host: str | None = None
    hbase_thrift_port: int | None = None
    hbase_zookeeper: str | None = None
    hbase_zookeeper_port: int | None = None
    hbase_root: str | None = None
    hbase_bin: Path | None = None
    flume_url: str | None = None
    flume_landing: str | None = None
    drop_dir: Path | None = None
    sqoop_bin: Path | None = None
    mahout_bin: Path | None = None
    mahout_version: str | None = None

    def __post_init__(self) -> None:
        if self.realm:  # every request to it needs a ticket
            secure.register(self.name, self.dir, self.conf_dir, list(self._web()))

    def _web(self) -> tuple[str, ...]:
        return (self.webhdfs_url, self.resourcemanager_url, self.historyserver_url)

    def in_hdfs(self, *names: str) -> str:
        """Return a path in the one directory of HDFS that holds all that the pipeline writes.

        It holds `images`, `runs`, `code` and `tmp`, see docs/architecture.md.
        """
        return "/".join((self.hdfs_dir or _HDFS_DIR, *names))

    @classmethod
    def load(cls, directory: Path) -> Cluster:
        """Read a cluster's mark.

        Raises
        ------
        ClusterError : there is no cluster, its mark is damaged, or its deployment did not finish.
        """
        mark = read_mark(directory)
        if mark is None:
            raise ClusterError(f"there is no cluster in {directory}; make one with `pipeline up`")
        try:
            facts: dict[str, Any] = {fact.name: _value(fact, mark) for fact in fields(cls)}
            return cls(**facts)
        except (KeyError, TypeError, ValueError) as error:
            raise ClusterError(
                f"{directory / MARK} lacks {error}; run `pipeline up` again"
            ) from error


def has_no(cluster: str, system: str) -> ConfigError:
    """Return the error that a cluster lacks a component, with the command that adds it.

    Parameters
    ----------
    cluster : its name.
    system : as people write it, such as HBase; the component's name is that in small letters.
    """
    return ConfigError(
        f"cluster {cluster} has no {system}; add it with "
        f"`bin/pipeline up --name {cluster} --with {system.lower()}`"
    )


KINDS = {"str": str, "int": int, "Path": Path}


def _value(fact: Field[Any], mark: dict[str, Any]) -> object:
    """Convert a fact of a mark; an optional one may be missing."""
    kind, _, optional = str(fact.type).partition(" | ")
    if optional and fact.name not in mark:
        return None
    return KINDS[kind](mark[fact.name])


def cluster_dir(name: str, directory: Path | None = None) -> Path:
    """Return the directory of a cluster: the given one, else `var/clusters/<name>`."""
    if not NAME.fullmatch(name):
        raise ConfigError(
            f"cluster name {name!r} is not of small letters, digits, - and _ (at most 40)"
        )
    return Path(directory).absolute() if directory else CLUSTERS_DIR / name


def read_mark(place: Path) -> dict[str, Any] | None:
    """Read a mark; whether the directory is really this cluster's is for the playbooks to judge."""
    try:
        mark = json.loads((place / MARK).read_text())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise ClusterError(f"{place / MARK} cannot be read as a cluster's mark: {error}") from error
    if not isinstance(mark, dict) or "id" not in mark:
        raise ClusterError(f"{place / MARK} is not a cluster's mark: it has no id")
    return mark


def unsaved_runs(place: Path) -> list[str]:
    """Name the runs whose outputs are only in this cluster."""
    return sorted(path.name for path in (place / UNSAVED).glob("*"))


def mark_unsaved(cluster: Cluster, run_id: str) -> None:
    """Note that outputs of a run are only in this cluster: destroy refuses until they are saved."""
    folder = cluster.dir / UNSAVED
    folder.mkdir(parents=True, exist_ok=True)
    (folder / run_id).touch()


def mark_saved(cluster: Cluster, run_id: str) -> None:
    """Note that the outputs of a run are saved outside the cluster."""
    (cluster.dir / UNSAVED / run_id).unlink(missing_ok=True)

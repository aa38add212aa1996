"""A Hadoop cluster of somebody else: found by its configuration, used, and left as it was.

Nothing of it is deployed, configured, started or stopped. What the pipeline writes is in one
directory of its HDFS; what it needs on this machine is in var/existing/.
"""

from __future__ import annotations

import getpass
import hashlib
import re
from argparse import ArgumentParser, Namespace
from functools import cache
from typing import TypedDict

from mr_jobs.lib.errors import ClusterError, ConfigError
from pipeline import existing_check as check
from pipeline.cluster_mark import Cluster, unsaved_runs
from pipeline.config import VAR
from pipeline.existing_conf import addresses, read_settings
from pipeline.existing_hadoop import find_hadoop, write_launcher
from pipeline.worker_env import default_python

EXISTING = "existing"
PLACES = VAR / "existing"
_PATH = re.compile(r"(/[A-Za-z0-9_@=+-][A-Za-z0-9._@=+-]*)+")
_WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_PROGRAM = re.compile(r"[A-Za-z0-9._/+-]+")


class Wanted(TypedDict):
    """What the options say of an existing cluster; None: the default."""

    hdfs_dir: str | None
    queue: str | None
    python: str | None


def add_existing_options(parser: ArgumentParser) -> None:
    """Add the options for a cluster that is not the pipeline's own."""
    group = parser.add_argument_group("a cluster that is there already")
    group.add_argument(
        "--cluster",
        choices=(EXISTING,),
        help="use the Hadoop that HADOOP_HOME and HADOOP_CONF_DIR name, or that is installed here; "
        "nothing is deployed, started or stopped",
    )
    group.add_argument(
        "--hdfs-dir",
        metavar="DIR",
        help="the one directory in its HDFS to work in (default: /user/<you>/imagenet)",
    )
    group.add_argument("--queue", metavar="NAME", help="YARN queue of its jobs")
    group.add_argument(
        "--python",
        metavar="PROGRAM",
        help=f"Python on each of its hosts, of the same version as here (default: "
        f"{default_python()})",
    )


def wanted_of(args: Namespace) -> Wanted | None:
    """Return what the options say of an existing cluster; None if they mean one of our own.

    Raises
    ------
    ConfigError
        Options of the one kind of cluster with the other kind.
    """
    own = {
        "--cluster-dir": getattr(args, "cluster_dir", None),
        "--port-base": getattr(args, "port_base", None),
        "--tarball": getattr(args, "tarball", None),
        "--inventory": getattr(args, "inventory", None),
        "--with": getattr(args, "components", None),
    }
    theirs = {"--hdfs-dir": args.hdfs_dir, "--queue": args.queue, "--python": args.python}
    given = [name for name, value in (own if args.cluster else theirs).items() if value]
    if given and args.cluster:
        raise ConfigError(f"{given[0]} is for a cluster of our own; leave it out, or --cluster")
    if given:
        raise ConfigError(f"{given[0]} is for a cluster that is there: add --cluster {EXISTING}")
    if args.cluster is None:
        return None
    if getattr(args, "runner", None) in ("local", "inline"):
        raise ConfigError(f"--cluster {EXISTING} does not go with --runner {args.runner}")
    wanted = Wanted(hdfs_dir=args.hdfs_dir, queue=args.queue, python=args.python)
    _require_words(wanted)
    return wanted


def _require_words(wanted: Wanted) -> None:
    for option, kind in (("hdfs_dir", _PATH), ("queue", _WORD), ("python", _PROGRAM)):
        value = wanted[option]  # type: ignore[literal-required]
        if value is not None and not kind.fullmatch(value):
            name = option.replace("_", "-")
            raise ConfigError(
                f"--{name}: {value!r} is not one; use plain letters, no dots in front"
            )


def refuse(args: Namespace) -> None:
    """Refuse to deploy or destroy a cluster that is not the pipeline's own."""
    if getattr(args, "cluster", None) == EXISTING:
        raise ConfigError(
            f"`{args.command}` is for a cluster of our own: an existing one is not deployed, "
            "started or stopped by the pipeline"
        )


def told(cluster: Cluster) -> dict[str, object]:
    """Describe an existing cluster as `cluster.status` does one of our own."""
    asked = {
        "namenode": (cluster.webhdfs_url, f"active; the pipeline works in {cluster.hdfs_dir}"),
        "resourcemanager": (cluster.resourcemanager_url, f"active; queue {cluster.queue or '-'}"),
    }
    return {
        "name": cluster.name,
        "dir": cluster.conf_dir,
        "exists": True,
        "id": cluster.id,
        "ok": True,
        "hadoop_version": cluster.hadoop_version,
        "hdfs_dir": cluster.hdfs_dir,
        "queue": cluster.queue,
        "daemons": {
            name: {"pid": None, "ok": True, "url": url, "says": says, "figures": {}}
            for name, (url, says) in asked.items()
        },
        "unsaved": unsaved_runs(cluster.dir),
    }


def connect(wanted: Wanted) -> Cluster:
    """Find the existing cluster, and see whether the pipeline can work on it.

    Its HDFS directory is made if it is not there, readable for this user only.

    Raises
    ------
    ClusterError
        It cannot be found or used; all reasons in one go, a sentence each.
    """
    return _connect(wanted["hdfs_dir"], wanted["queue"], wanted["python"])


@cache
def _connect(hdfs_dir: str | None, queue: str | None, python: str | None) -> Cluster:
    problems: list[str] = []
    check.check_user(problems)
    hadoop = find_hadoop(problems)
    settings = read_settings(hadoop.conf_dir, problems) if hadoop else None
    found = addresses(settings, problems) if settings else None
    if hadoop is None or settings is None or found is None:
        raise _refused(problems)
    directory = hdfs_dir or f"/user/{getpass.getuser()}/imagenet"
    namenode = check.find_namenode(found.webhdfs_urls, problems)
    manager = check.find_manager(found.resourcemanager_urls, settings, problems)
    if namenode:
        check.check_directory(namenode, directory, problems)
    if manager:
        check.check_queue(manager, queue or found.queue, hadoop, problems)
    if namenode and not problems:
        check.make_directory(namenode, directory, problems)
    if problems or namenode is None or manager is None:
        raise _refused(problems)
    identity = hashlib.sha256(f"{found.fs_uri}{directory}".encode()).hexdigest()[:12]
    name = re.sub(r"[^A-Za-z0-9]+", "-", found.fs_uri.removeprefix("hdfs://"))
    place = PLACES / f"{name}-{identity[:6]}"
    place.mkdir(parents=True, exist_ok=True)
    return Cluster(
        name=found.fs_uri,
        id=f"{EXISTING}-{identity}",
        dir=place,
        port_base=0,
        hadoop_version=hadoop.version,
        hadoop_bin=write_launcher(hadoop, place),
        conf_dir=hadoop.conf_dir,
        streaming_jar=hadoop.streaming_jar,
        lib_dir=hadoop.streaming_jar.parent,
        fs_uri=found.fs_uri,
        webhdfs_url=namenode,
        resourcemanager_url=manager,
        historyserver_url=found.historyserver_url,
        userlogs_dir=place / "no-userlogs",  # they are on its hosts
        log_dir=place,
        python_bin=python or default_python(),
        hdfs_dir=directory,
        queue=queue,
        packages="archive",
        task_mb=check.task_mb(settings),
    )


def _refused(problems: list[str]) -> ClusterError:
    """Make one error of all problems."""
    if len(problems) == 1:
        return ClusterError(f"the existing cluster cannot be used: {problems[0]}")
    told = "".join(f"\n- {problem}" for problem in problems)
    return ClusterError(f"the existing cluster cannot be used, for {len(problems)} reasons:{told}")

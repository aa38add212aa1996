"""Image stores: the images of a data set, stored once, with their catalogue, shared by runs.

An image store is a directory, `var/images/<name>` on this machine or `images/<name>` in the HDFS
directory of a cluster. Its name is made from the data set's path unless `--images` gives one.
"""

from __future__ import annotations

import fcntl
import hashlib
import re
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mr_jobs.lib.errors import ConfigError
from pipeline import cluster as clusters
from pipeline import existing
from pipeline.cluster import Cluster
from pipeline.cluster_options import add_place_options
from pipeline.config import VAR
from pipeline.stores import HdfsStore, LocalStore, Store

LOCAL = VAR / "images"
CACHE = VAR / "cache" / "images"
_IN_HDFS = "images"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True)
class Images:
    """An image store.

    `store` is rooted at it; `cluster` is the one that holds it, or None; `cache` is a directory on
    this machine for what is derived from its tables.
    """

    name: str
    store: Store
    cluster: Cluster | None
    cache: Path


def name_of(data: str, *, in_hbase: bool = False) -> str:
    """Name the image store of a data set: the last part of its path, and a hash of the whole.

    One of the same data whose images are in HBase is another.

    >>> name_of("/data/ILSVRC 2012")
    'ILSVRC-2012-330899'
    """
    last = re.sub(r"[^A-Za-z0-9._-]+", "-", data.rstrip("/").rpartition("/")[2]).strip("-._")
    name = f"{last[:60] or 'data'}-{hashlib.sha256(data.encode()).hexdigest()[:6]}"
    return f"{name}-hbase" if in_hbase else name


def check_name(name: str) -> str:
    """Return a name that is fit to be the name of a directory, or raise a ConfigError."""
    if not _NAME.fullmatch(name):
        raise ConfigError(f"not an image store's name: {name!r}; letters, digits, . - _")
    return name


def images_at(name: str, cluster: Cluster | None) -> Images:
    """Return the image store of that name, whether there is one or not."""
    check_name(name)
    if cluster is None:
        return Images(name, LocalStore(LOCAL / name), None, CACHE / name)
    store = HdfsStore(cluster.webhdfs_url, cluster.fs_uri, cluster.in_hdfs(_IN_HDFS, name))
    return Images(name, store, cluster, cluster.dir / "cache" / "images" / name)  # goes with it


def names(cluster: Cluster | None) -> list[str]:
    """List the image stores of a cluster, or of this machine."""
    if cluster is None:
        return sorted(path.name for path in LOCAL.iterdir()) if LOCAL.is_dir() else []
    store = HdfsStore(cluster.webhdfs_url, cluster.fs_uri, cluster.in_hdfs(_IN_HDFS))
    return store.list("") if store.exists("") else []


def add_images_options(parser: ArgumentParser) -> None:
    """Add the options that say which image store a command is for."""
    parser.add_argument(
        "--images",
        metavar="NAME",
        help="the image store, as `bin/pipeline images` lists them (default: the only one)",
    )
    parser.add_argument(
        "--runner",
        choices=("hadoop", "local", "inline"),
        help="hadoop: one in the cluster's HDFS; local, inline: one on this machine "
        "(default: the cluster's if a cluster is up)",
    )
    add_place_options(parser)
    existing.add_existing_options(parser)


def open_images(args: Namespace) -> Images:
    """Return the image store that the options name, or the only one there is.

    Raises
    ------
    ConfigError
        If there is none of that name, or more than one to choose from.
    """
    cluster = cluster_of(args)
    there = names(cluster)
    where = f"in cluster {cluster.name}" if cluster else "on this machine"
    if args.images is None and len(there) != 1:
        told = (
            f"name one with --images: {', '.join(there)}"
            if there
            else f"make one with `bin/pipeline ingest DATA{_where_to(cluster)}`"
        )
        raise ConfigError(f"{len(there)} image stores {where}; {told}")
    name = args.images or there[0]
    if name not in there:
        raise ConfigError(f"no image store {name} {where}; there: {', '.join(there) or 'none'}")
    return images_at(name, cluster)


def _where_to(cluster: Cluster | None) -> str:
    """Return the options by which `ingest` writes to the same place."""
    if cluster is None:
        return " --runner local"
    return " --cluster existing" if cluster.packages else ""


def cluster_of(args: Namespace) -> Cluster | None:
    """Return the cluster that the options mean; None for this machine."""
    wanted = existing.wanted_of(args)
    if wanted:
        return existing.connect(wanted)
    if args.runner in ("local", "inline"):
        return None
    place = clusters.cluster_dir(args.name, args.cluster_dir)
    if (place / clusters.MARK).exists():
        return Cluster.load(place)
    if args.runner == "hadoop":
        raise ConfigError(
            f"there is no cluster {args.name}; start it with `bin/pipeline up`, or use "
            "--runner local"
        )
    return None


@contextmanager
def writing(images: Images) -> Iterator[None]:
    """Let one process at a time add to an image store; the lock ends with the process."""
    place = images.cluster.id if images.cluster else "local"
    clusters.LOCKS_DIR.mkdir(parents=True, exist_ok=True)
    with (clusters.LOCKS_DIR / f"images-{place}-{images.name}").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigError(
                f"another `pipeline` is writing the image store {images.name}; wait for it"
            ) from error
        yield

"""The small-file doctor: what a directory of small files costs a NameNode, and what bundles save.

A NameNode holds every file, directory and block in memory, as an object of about 150 bytes: a rule
of thumb of Cloudera's documentation, "Disk space versus namespace" (HDFS Overview), and before that
of Tom White, "The Small Files Problem", 2009.
"""

from __future__ import annotations

import shlex
from argparse import Namespace
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mr_jobs.lib.errors import ConfigError, DataError

if TYPE_CHECKING:
    from pipeline.arguments import Commands
    from pipeline.layouts import RawPath
    from pipeline.progress import Progress

OBJECT_BYTES = 150
BLOCK_BYTES = 128 << 20
_RECORD_BYTES = 128  # a record's key and lengths in a bundle, and its sync mark now and then
_BIN_STEPS = 4  # a bin of the histogram is four times as wide as the one before
_LEAST_SHARE = 2  # times fewer objects, to be worth it
_LEAST_SAVED = 1000  # objects, likewise


def add_parser(commands: Commands) -> None:
    """Add `doctor DIR`."""
    from pipeline.cluster_options import add_place_options
    from pipeline.existing import add_existing_options

    parser = commands.add_parser(
        "doctor",
        help="what a directory of small files costs HDFS, and what bundles save",
        description="Count the files of a directory here or in HDFS, and say what they cost the "
        "NameNode, how many bundles they would become and what that saves.",
    )
    parser.add_argument("directory", metavar="DIR", help="a directory, or hdfs:///DIR")
    add_place_options(parser)
    add_existing_options(parser)
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="instead of pipeline.toml, for bundle_mb"
    )
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object")


def run(args: Namespace) -> dict[str, Any]:
    """Count, and advise.

    Raises
    ------
    ConfigError
        If there is no such directory, or no file in it.
    """
    from pipeline.config import CONFIG_FILE, Config
    from pipeline.progress import Progress

    root = root_of(args.directory, args)
    if not root.is_dir():
        raise ConfigError(f"no such directory: {args.directory}")
    bundle_bytes = Config.load(args.config or CONFIG_FILE).data.bundle_mb << 20
    with Progress("doctor") as progress:
        sizes, n_folders = _sizes(root, progress)
    if not sizes:
        raise ConfigError(f"{args.directory}: holds no file to look at")
    return {
        "dir": args.directory,
        "layout": _layout(root),
        **_examine(sizes, n_folders, bundle_bytes),
        "command": f"bin/pipeline ingest {shlex.quote(args.directory)}",
    }


def lines(result: dict[str, Any]) -> Iterator[str]:
    """Yield the result for people."""
    yield f"layout     {result['layout']}"
    yield (
        f"files      {result['files']:,} in {result['folders']:,} folders, "
        f"{_told(result['bytes'])}; median {_told(result['median_bytes'])}, "
        f"largest {_told(result['largest_bytes'])}"
    )
    yield (
        f"now        {result['objects']:,} objects in the NameNode, "
        f"about {_told(result['heap_bytes'])} of its heap"
    )
    yield (
        f"bundled    {result['bundles']:,} bundles of at most {_told(result['bundle_bytes'])}: "
        f"{result['bundle_objects']:,} objects, about {_told(result['bundle_heap_bytes'])}"
    )
    yield (
        f"saved      {result['saved_objects']:,} objects, about "
        f"{_told(result['saved_heap_bytes'])} of heap"
    )
    most = max(count for _, _, count in result["histogram"])
    for low, high, count in result["histogram"]:
        yield f"  {_told(low):>8} to {_told(high):8} {count:10,}  {'#' * -(-40 * count // most)}"
    yield f"advice     {result['advice']}"
    if result["worth_it"]:
        yield f"           {result['command']}"


def root_of(directory: str, args: Namespace) -> RawPath:
    """Return a directory here, or in HDFS of the cluster that `args` name."""
    if not directory.startswith("hdfs:"):
        return Path(directory)
    from pipeline import existing
    from pipeline.cluster import Cluster, cluster_dir
    from pipeline.hdfspath import HdfsPath
    from pipeline.stores import HdfsStore

    wanted = existing.wanted_of(args)
    if wanted:
        cluster = existing.connect(wanted)
    else:
        cluster = Cluster.load(cluster_dir(args.name, args.cluster_dir))
    return HdfsPath.parse(directory, HdfsStore(cluster.webhdfs_url, cluster.fs_uri, "/"))


def _sizes(root: RawPath, progress: Progress) -> tuple[array[int], int]:
    """Return the sizes of all files, 8 bytes each, and the number of folders."""
    from pipeline.hdfspath import HdfsPath
    from pipeline.layouts.listing import entries

    total = root.summary()["fileCount"] if isinstance(root, HdfsPath) else 0
    sizes, n_folders, waiting = array("Q"), 0, [root]
    while waiting:
        n_folders += 1
        for entry in entries(waiting.pop()):
            if entry.is_dir:
                waiting.append(entry.path)
            elif entry.is_file:
                sizes.append(entry.size)
        progress.update(len(sizes), total, "files")
    return sizes, n_folders


def _layout(root: RawPath) -> str:
    """Say what `ingest` would take it for."""
    from pipeline.layouts import find_raw_data

    try:
        data = find_raw_data(root, allow_damaged=True)
    except DataError as error:
        return f"not one to ingest: {error}"
    splits = sorted({source.split for source in data.sources})
    return f"{data.layout}: {len(data.sources):,} sources of {', '.join(splits)}"


def _examine(sizes: array[int], n_folders: int, bundle_bytes: int) -> dict[str, Any]:
    import numpy as np

    ordered = np.sort(np.frombuffer(sizes, np.uint64).astype(np.int64))
    n_files, n_bytes = len(ordered), int(ordered.sum())
    objects = n_files + n_folders + int((-(-ordered // BLOCK_BYTES)).sum())
    bundles = max(1, -(-(n_bytes + _RECORD_BYTES * n_files) // bundle_bytes))
    blocks = max(1, -(-bundle_bytes // BLOCK_BYTES))
    bundle_objects = 1 + bundles * (1 + blocks)
    saved = max(0, objects - bundle_objects)
    worth_it = saved >= _LEAST_SAVED and objects >= _LEAST_SHARE * bundle_objects
    edges = [0, 1 << 10]
    while edges[-1] <= ordered[-1]:
        edges.append(edges[-1] * _BIN_STEPS)
    counts = np.diff(np.searchsorted(ordered, edges)).tolist()
    advice = (
        f"small files: as bundles they take {objects / bundle_objects:,.0f} times fewer objects"
        if worth_it
        else "no small-file problem: bundles would not take much fewer objects"
    )
    return {
        "files": n_files,
        "folders": n_folders,
        "bytes": n_bytes,
        "median_bytes": int(np.median(ordered)),
        "largest_bytes": int(ordered[-1]),
        "objects": objects,
        "heap_bytes": objects * OBJECT_BYTES,
        "bundle_bytes": bundle_bytes,
        "bundles": bundles,
        "bundle_objects": bundle_objects,
        "bundle_heap_bytes": bundle_objects * OBJECT_BYTES,
        "saved_objects": saved,
        "saved_heap_bytes": saved * OBJECT_BYTES,
        "histogram": list(zip(edges, edges[1:], counts, strict=False)),
        "worth_it": worth_it,
        "advice": advice,
    }


def _told(n_bytes: float) -> str:
    """Write a number of bytes in binary units.

    >>> [_told(n) for n in (150, 2048, 134217728)]
    ['150 B', '2.0 KiB', '128.0 MiB']
    """
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if n_bytes < 1024 or unit == "TiB":
            break
        n_bytes /= 1024
    return f"{n_bytes:.0f} B" if unit == "B" else f"{n_bytes:.1f} {unit}"

"""`bin/pipeline bench-store`: bundles and HBase as image stores, side by side, in figures."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from mr_jobs.lib.errors import ConfigError
from pipeline import cluster as clusters
from pipeline import extras, hbase_store
from pipeline.cluster_options import add_place_options
from pipeline.config import VAR, Config, find_config
from pipeline.progress import Progress

if TYPE_CHECKING:
    from pipeline.arguments import Commands

_ROWS = (
    ("put, a job", "put_images_s", "images/s"),
    ("", "put_mb_s", "MB/s"),
    ("scan, a job", "job_scan_mb_s", "MB/s"),
    ("scan, one reader", "reader_scan_mb_s", "MB/s"),
    ("100 random gets", "gets_s", "s"),
    ("disk after the put", "flushed_bytes", "bytes"),
    ("disk at the end", "disk_bytes", "bytes"),
    ("features, a job", "features_s", "s"),
)


def add_parser(commands: Commands) -> None:
    """Add the command `bench-store`."""
    parser: ArgumentParser = commands.add_parser(
        "bench-store",
        help="measure bundles and HBase as image stores, side by side",
        description="Store the same images in bundles and in HBase on a cluster that has HBase, "
        "and print how fast they are put, scanned and got, and what they take of HDFS. The images "
        "are removed at the end.",
    )
    parser.add_argument(
        "--images", type=int, default=2000, metavar="N", help="how many (default: %(default)s)"
    )
    parser.add_argument(
        "--from",
        dest="photographs",
        type=Path,
        metavar="PATH",
        help="a folder or tar of JPEGs, which are repeated with a number in each (default: some "
        "are drawn)",
    )
    parser.add_argument(
        "--features",
        action="store_true",
        help="compute the features of configs/fast.toml from both, too, and compare them",
    )
    parser.add_argument(
        "--keep", action="store_true", help="leave the image stores bench-bundles and bench-hbase"
    )
    add_place_options(parser)
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object")


def run(args: Namespace) -> dict[str, Any]:
    """Measure.

    Returns
    -------
    images, bytes: of the data; and what `bench_store.measure` returns.

    Raises
    ------
    ConfigError
        There is no cluster with HBase, or nothing to measure with.
    """
    if args.images < 1:
        raise ConfigError(f"bench-store: --images is a number from 1, not {args.images}")
    place = clusters.cluster_dir(args.name, args.cluster_dir)
    if not (place / clusters.MARK).exists():
        raise ConfigError(
            f"bench-store: there is no cluster {args.name}; start it with "
            "`bin/pipeline up --with hbase`"
        )
    cluster = clusters.Cluster.load(place)
    hbase_store.require_hbase(cluster)
    extras.require("hbase", "bench-store")
    from pipeline.bench_pictures import photographs, write_data
    from pipeline.bench_store import measure

    VAR.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="bench-store-", dir=VAR) as folder:
        with Progress("images") as progress:
            n_bytes = write_data(Path(folder), photographs(args.photographs), args.images)
            progress.note(f"{args.images} images, {n_bytes} bytes")
        found = measure(
            cluster,
            Path(folder),
            Config.load(find_config("fast")),
            n_bytes,
            features=args.features,
            keep=args.keep,
        )
    return {"images": args.images, "bytes": n_bytes, **found}


def lines(result: dict[str, Any]) -> Iterator[str]:
    """Yield the table."""
    yield f"{result['images']} images, {result['bytes']} bytes, in both stores"
    yield f"{'':18} {'':8} {'bundles':>14} {'HBase':>14}"
    for what, name, unit in _ROWS:
        if name not in result["bundles"]:
            continue
        values = (result["bundles"][name], result["hbase"][name])
        yield f"{what:18} {unit:8} {values[0]:>14,} {values[1]:>14,}"
    same = "the same but for the place" if result["same_rows"] else "NOT the same"
    yield f"the catalogues' rows are {same}"
    if "same_features" in result:
        yield f"the vectors are {'the same' if result['same_features'] else 'NOT the same'}"

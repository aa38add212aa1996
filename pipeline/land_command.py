"""`bin/pipeline land`: store what has come through the drop folder of the cluster's Flume."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pipeline.cluster import Cluster, cluster_dir
from pipeline.cluster_options import add_place_options
from pipeline.flume import Landing
from pipeline.progress import Progress

if TYPE_CHECKING:
    from pipeline.arguments import Commands

STORE = "landing"
_DESCRIPTION = """\
Store the images that have come through the drop folder of the cluster's Flume: `ingest` of its
landing files that are new. Put files into the folder, DROP/<class>/<name>, in any way and at any
time; one that is still being written stays there. An image that was delivered twice is stored once.
"""


def add_parser(commands: Commands) -> None:
    """Add the command `land`."""
    parser: ArgumentParser = commands.add_parser(
        "land",
        help="store what has come through the drop folder of Flume",
        description=_DESCRIPTION,
    )
    parser.add_argument(
        "--images",
        default=STORE,
        metavar="NAME",
        help="image store to add to (default: %(default)s)",
    )
    parser.add_argument(
        "--wait",
        type=float,
        metavar="S",
        help="first wait until all that was dropped has landed, at most so many seconds",
    )
    parser.add_argument("--look", action="store_true", help="only say what is on its way")
    parser.add_argument("--config", metavar="FILE", help="as of `ingest`")
    add_place_options(parser)
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object")


def run(args: Namespace) -> dict[str, Any]:
    """Store what has landed.

    Returns
    -------
    drop_dir, what is on its way (`pipeline.flume.Flow`), landing_files, recovered, and what
    `ingest` returns, if there was anything to look at.

    Raises
    ------
    ConfigError
        The cluster has no Flume.
    ClusterError
        There is no cluster, or not all has landed in time.
    """
    landing = Landing(Cluster.load(cluster_dir(args.name, args.cluster_dir)))
    recovered: list[str] = []
    with Progress("land") as progress:
        if not args.look:
            recovered = landing.recover(progress)
        flow = landing.flow() if args.wait is None else landing.wait(args.wait, progress)
        files = landing.files()
    told = {
        "drop_dir": landing.drop_dir,
        **asdict(flow),
        "landing_files": len(files),
        "recovered": recovered,
    }
    return told if args.look or not files else {**told, **_ingest(args, landing.uri)}


def _ingest(args: Namespace, uri: str) -> dict[str, Any]:
    from pipeline.arguments import parse  # they import this module
    from pipeline.commands import COMMANDS

    given = ["ingest", uri, "--images", args.images, "--name", args.name]
    if args.cluster_dir:
        given += ["--cluster-dir", str(args.cluster_dir)]
    if args.config:
        given += ["--config", args.config]
    return COMMANDS["ingest"](parse(given))


def lines(result: dict[str, Any]) -> Iterator[str]:
    """Yield the result as lines for people."""
    way = (
        f"{result['dropped']} in the folder, {result['spooled']} let in, "
        f"{result['channel']} in Flume's channel, {result['open_files']} landing files open"
    )
    yield f"drop folder  {result['drop_dir']}"
    yield f"on the way   {way}"
    if result["refused"]:
        left = ", ".join(f"{n} {reason}" for reason, n in sorted(result["refused"].items()))
        yield f"left there   {left}"
    yield f"landed       {result['landing_files']} files in HDFS"
    for name in result["recovered"]:
        yield f"recovered    {name}: its agent was killed"
    if "image_store" in result:
        yield (
            f"image store  {result['image_store']}: {result['images']} images, "
            f"{result['added']} of them new, in {result['bundles']} bundles"
        )
        quarantined = sum(result["quarantined"].values())
        refused = sum(result["refused_members"].values())
        yield f"not used     {quarantined} quarantined, {refused} refused (`quarantine list`)"

"""`bin/pipeline shell`: HDFS, Hive, HBase, Spark or Python, preset to a cluster."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from mr_jobs.lib.errors import ConfigError
from pipeline.cluster import Cluster
from pipeline.extras import require
from pipeline.images import add_images_options, cluster_of
from pipeline.shells.console import LineShell, converse, run_lines

if TYPE_CHECKING:
    from pipeline.arguments import Commands

_DESCRIPTION = """\
Open a shell that knows this cluster, with a history of its own and examples to begin with:

  hdfs     ls, cat, put, get, … on files of HDFS; answers at once, Tab completes paths
  hive     HiveQL on the tables of the image store, statements over several lines
  hbase    HBase's own shell
  spark    Python with `spark` and `sc`, on this cluster's YARN
  python   Python with img(id), grid(query), query(hql), predict(id), job(status)
"""
_EPILOG = """\
  bin/pipeline shell hdfs -c 'ls /imagenet'
  echo 'SHOW TABLES;' | bin/pipeline shell hive

A pipe, or -c, ends at the first error, with its exit code.
"""


def add_parser(commands: Commands) -> None:
    """Add the command `shell`."""
    parser: ArgumentParser = commands.add_parser(
        "shell", help="a shell on HDFS, Hive, HBase, Spark or Python, preset to the cluster",
        description=_DESCRIPTION, epilog=_EPILOG, formatter_class=RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("kind", choices=SHELLS, help="which one")
    parser.add_argument(
        "-c", dest="run_lines", action="append", metavar="COMMAND",
        help="do this instead of asking; again for the next",
    )  # fmt: skip
    add_images_options(parser)
    parser.set_defaults(json=False, owns_terminal=True)


def run(args: Namespace) -> dict[str, Any]:
    """Talk with a person, or do what -c or a pipe says.

    Raises
    ------
    ConfigError
        The cluster lacks what the shell is for, or an extra is missing; says what to do.
    """
    SHELLS[args.kind](args)
    return {}


def cluster_for(args: Namespace) -> Cluster:
    """Return the cluster that a shell is for, which needs one."""
    cluster = cluster_of(args)
    if cluster is None:
        raise ConfigError(
            f"shell {args.kind} needs a cluster, and there is no {args.name}; start it with "
            "`bin/pipeline up`"
        )
    return cluster


def given_lines(args: Namespace) -> Iterable[str] | None:
    """Return the lines of -c, or of a pipe; None if there is a person to ask for them."""
    if args.run_lines is not None:
        return [line for command in args.run_lines for line in command.splitlines()]
    if sys.stdin.isatty() and sys.stdout.isatty():
        return None
    return _piped()


def _piped() -> Iterator[str]:
    yield from sys.stdin


def _hdfs(args: Namespace) -> None:
    from pipeline.shells.hdfs import HdfsShell

    _run(HdfsShell(cluster_for(args), sys.stdout), args)


def _hive(args: Namespace) -> None:
    from pipeline.index.hive_engine import database_of  # thrift is needed there only
    from pipeline.shells.hive import HiveShell

    database = database_of(args.images) if args.images else None
    _run(HiveShell(cluster_for(args), sys.stdout, database), args)


def _hbase(args: Namespace) -> None:
    from pipeline.shells import hbase

    cluster, lines = cluster_for(args), given_lines(args)
    if lines is None:
        hbase.converse(cluster)
    else:
        hbase.run_lines(cluster, lines)


def _spark(args: Namespace) -> None:
    require("spark", "shell spark")
    from pipeline.shells import spark

    spark.run(args, given_lines(args))


def _python(args: Namespace) -> None:
    from pipeline.lab_helpers import Helpers
    from pipeline.shells import python

    helpers = Helpers(args)
    cluster = helpers.cluster
    where = f"cluster {cluster.name}" if cluster else "this machine, without a cluster"
    lines = given_lines(args)
    if lines is None:
        python.converse(helpers.namespace(), f"Python on {where}\n{python.HELPERS}", "python")
    else:
        python.run_source(helpers.namespace(), lines)


def _run(shell: LineShell, args: Namespace) -> None:
    lines = given_lines(args)
    if lines is None:
        converse(shell, args.kind)
    else:
        run_lines(shell, lines)


SHELLS: dict[str, Callable[[Namespace], None]] = {
    "hdfs": _hdfs,
    "hive": _hive,
    "hbase": _hbase,
    "spark": _spark,
    "python": _python,
}

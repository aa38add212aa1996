"""`bin/pipeline sqoop`: tables between a PostgreSQL database and the cluster, by jobs of Sqoop."""

from __future__ import annotations

import re
import time
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mr_jobs.lib.errors import ConfigError, DataError, JobError
from pipeline.images import Images, add_images_options, open_images
from pipeline.progress import Progress
from pipeline.runs import check_run_id
from pipeline.sqoop import Database, Sqoop, check_name
from pipeline.stores import HdfsStore

if TYPE_CHECKING:
    from pipeline.arguments import Commands

TABLES = ("labels", "synsets", "boxes")  # of hive/imported
PREDICTIONS = """\
CREATE TABLE IF NOT EXISTS {table} (
    run_id text NOT NULL,
    image_id text NOT NULL,
    split text NOT NULL,
    key text NOT NULL,
    wnid text NOT NULL,
    rank integer NOT NULL,
    predicted text NOT NULL,
    score double precision NOT NULL,
    PRIMARY KEY (run_id, key, rank)
)"""
COLUMNS = tuple(re.findall(r"^    ([a-z_]+) ", PREDICTIONS, re.MULTILINE))
_IMPORT = """\
Copy tables of a PostgreSQL database into Hive: labels, synsets and boxes, with the columns of
hive/imported (a view gives a table of yours this form: --table labels=my_view). They are tables of
the database <image store's>_imported in Hive, beside the image store's own, and are replaced whole:

  bin/pipeline query "SELECT i.image_id, i.wnid, l.wnid FROM images i
      JOIN images_NAME_imported.labels l ON i.image_id = l.image_id WHERE i.wnid <> l.wnid"

Rows are counted in the database, by Sqoop and in Hive; a difference fails the import.
"""
_EXPORT = """\
Copy what a run's model took the images of val and test for into a table of a PostgreSQL database,
with the columns run_id, image_id, split, key, wnid, rank, predicted, score. Sqoop fills a table
TABLE_staging; from there all rows of the run go into TABLE, or none, in one transaction, which also
deletes those that --replace replaces. --create makes both tables where they are missing.
"""


def add_parser(commands: Commands) -> None:
    """Add the command `sqoop`."""
    parser: ArgumentParser = commands.add_parser(
        "sqoop",
        help="import tables of a PostgreSQL database into Hive, export predictions to it",
        description="Copy tables between a PostgreSQL database and the cluster, by jobs of Sqoop "
        "(the component sqoop of the cluster).",
    )
    ways = parser.add_subparsers(dest="way", required=True, metavar="import|export")
    takes = ways.add_parser(
        "import",
        help="labels, synsets and boxes into Hive",
        description=_IMPORT,
        formatter_class=RawDescriptionHelpFormatter,
    )
    takes.add_argument(
        "--table",
        dest="tables",
        action="append",
        metavar="NAME[=SOURCE]",
        help=f"one of {', '.join(TABLES)}, and the table or view that it is read from, if that "
        "has another name; may be repeated (default: all three)",
    )
    gives = ways.add_parser(
        "export",
        help="a run's predictions into the database",
        description=_EXPORT,
        formatter_class=RawDescriptionHelpFormatter,
    )
    gives.add_argument("run_id", metavar="RUN", help="the run, as `bin/pipeline runs` lists them")
    gives.add_argument("--table", default="predictions", help="table to add to (%(default)s)")
    gives.add_argument("--create", action="store_true", help="make the table if it is missing")
    gives.add_argument(
        "--replace", action="store_true", help="first delete the rows of the run that are there"
    )
    for way in (takes, gives):
        _add_database_options(way)
        add_images_options(way)
        way.add_argument("--json", action="store_true", help="print the result as one JSON object")


def _add_database_options(parser: ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1", help="of the database (%(default)s)")
    parser.add_argument("--port", type=int, default=5432, help="of the database (%(default)s)")
    parser.add_argument("--database", required=True, help="name of the database")
    parser.add_argument("--user", required=True, help="who asks it")
    parser.add_argument(
        "--password-file",
        type=Path,
        metavar="FILE",
        help="holds the user's password alone; nobody but you may read it (chmod 600)",
    )
    parser.add_argument("--schema", default="public", help="where the tables are (%(default)s)")


def run(args: Namespace) -> dict[str, Any]:
    """Import or export.

    Returns
    -------
    way, database, and of an import `hive_database` and for each table its source, the rows in the
    database and in Hive, and seconds; of an export run_id, table, rows, and seconds.

    Raises
    ------
    ConfigError
        An option is wrong, the cluster lacks Sqoop or Hive, or the database refuses.
    JobError, DataError
        A job failed, or the counts differ.
    """
    database = Database(
        args.host, args.port, args.database, args.user, args.password_file, args.schema
    )
    wanted = _wanted(args.tables or TABLES) if args.way == "import" else {}
    images = open_images(args)
    if images.cluster is None:
        raise ConfigError("sqoop works on a cluster's image store; start one: `bin/pipeline up`")
    with Progress("sqoop") as progress, Sqoop(images.cluster, database, progress) as sqoop:
        told = {"way": args.way, "database": database.url.removeprefix("jdbc:")}
        if args.way == "import":
            return {**told, **_import(images, database, sqoop, wanted, progress)}
        return {**told, **_export(args, images, database, sqoop, progress)}


def _wanted(tables: list[str] | tuple[str, ...]) -> dict[str, str]:
    """Read NAME[=SOURCE] into the source of each table."""
    found = {}
    for given in tables:
        name, _, source = given.partition("=")
        if name not in TABLES:
            raise ConfigError(f"--table {name}: not one of {', '.join(TABLES)} (hive/imported)")
        found[name] = check_name(source or name)
    return found


def _import(
    images: Images,
    database: Database,
    sqoop: Sqoop,
    wanted: dict[str, str],
    progress: Progress,
) -> dict[str, Any]:
    from pipeline.index.definitions import imported  # sqlglot and thrift take a while
    from pipeline.sqoop_hive import ImportedTables

    told: dict[str, Any] = {}
    with ImportedTables(images) as hive:
        store = _store(images, "imported", hive.database)
        there = sqoop.count(
            *(f"SELECT COUNT(*) FROM {database.quoted(source)}" for source in wanted.values())  # noqa: S608
        )
        for (name, source), expected in zip(wanted.items(), there, strict=True):
            begun_s = time.monotonic()
            table, place = imported()[name], f"{name}/{time.time_ns()}"
            target = f"{store.root}/{place}"
            found = sqoop.import_table(source, [column.name for column in table.columns], target)
            if found != expected:
                store.delete(place)
                raise DataError(
                    f"sqoop import {name}: {expected} rows in {source} when it began, {found} were "
                    "read; somebody writes to it: import again"
                )
            rows = hive.take(table, store.uri(place), found)
            for older in store.files(name):
                if older != place:
                    store.delete(older)
            seconds = round(time.monotonic() - begun_s, 1)
            told[name] = {
                "source": source,
                "rows_in_database": expected,
                "rows_in_hive": rows,
                "seconds": seconds,
            }
            progress.note(f"{name}: {rows} rows of {source} in {seconds} s")
        return {"hive_database": hive.database, "tables": told}


def _export(
    args: Namespace, images: Images, database: Database, sqoop: Sqoop, progress: Progress
) -> dict[str, Any]:
    run_id, begun_s = check_run_id(args.run_id), time.monotonic()
    table, staging = check_name(args.table), check_name(f"{args.table}_staging")
    files = images.store.files(f"predictions/run_id={run_id}")
    if not files:
        raise ConfigError(
            f"no predictions of run {run_id} in image store {images.name}; `bin/pipeline index "
            f"--run-id {run_id}` puts them there"
        )
    into, waiting = database.quoted(table), database.quoted(staging)
    made = [PREDICTIONS.format(table=name) for name in (into, waiting) if args.create]
    sqoop.execute(*made, f"DELETE FROM {waiting}")  # noqa: S608  # names that were checked
    of_run = f"{into} WHERE run_id = '{run_id}'"  # a run_id has no quote
    (before,) = sqoop.count(f"SELECT COUNT(*) FROM {of_run}")  # noqa: S608
    if before and not args.replace:
        raise ConfigError(f"{table} holds {before} rows of run {run_id}; --replace deletes them")
    store = _store(images, "exported", images.name)
    lines = _Lines(images, files, run_id)
    try:
        store.write(f"{run_id}/rows.tsv", lines)
        written = sqoop.export_directory(f"{store.root}/{run_id}", COLUMNS, staging)
    finally:
        store.delete(run_id)
    columns = ", ".join(COLUMNS)
    sqoop.execute(
        f"DELETE FROM {of_run}",  # noqa: S608
        f"INSERT INTO {into} ({columns}) SELECT {columns} FROM {waiting}",  # noqa: S608
        f"DELETE FROM {waiting}",  # noqa: S608
    )
    (after,) = sqoop.count(f"SELECT COUNT(*) FROM {of_run}")  # noqa: S608
    if not lines.n == written == after:
        raise JobError(
            f"sqoop export: run {run_id} has {lines.n} predictions, {written} were written, and "
            f"{table} holds {after}; export again with --replace"
        )
    seconds = round(time.monotonic() - begun_s, 1)
    progress.note(f"{after} rows of run {run_id} in {seconds} s")
    return {"run_id": run_id, "table": table, "rows": after, "seconds": seconds}


class _Lines:
    """The predictions of a run with its id in front, to be read once; `n` counts them."""

    def __init__(self, images: Images, files: list[str], run_id: str) -> None:
        self._images, self._files, self._head = images, files, f"{run_id}\t".encode()
        self.n = 0

    def __iter__(self) -> Iterator[bytes]:
        for name in self._files:
            with self._images.store.open(name) as file:
                for line in file:
                    self.n += 1
                    yield self._head + line


def _store(images: Images, *names: str) -> HdfsStore:
    cluster = images.cluster
    assert cluster is not None  # noqa: S101  # `run` has seen to it
    return HdfsStore(cluster.webhdfs_url, cluster.fs_uri, cluster.in_hdfs(*names))


def lines(result: dict[str, Any]) -> Iterator[str]:
    """Yield the result as lines for people."""
    if result["way"] == "export":
        yield (
            f"{result['rows']} predictions of run {result['run_id']} are in {result['table']} of "
            f"{result['database']}, after {result['seconds']} s"
        )
        return
    yield f"{result['database']} -> Hive database {result['hive_database']}"
    for name, told in result["tables"].items():
        yield (
            f"{name:8} {told['rows_in_hive']:9} rows, as in {told['source']}, after "
            f"{told['seconds']} s"
        )

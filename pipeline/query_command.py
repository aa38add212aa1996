"""`bin/pipeline query`: ask the index of an image store, in HiveQL."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mr_jobs.lib.errors import ConfigError
from pipeline.images import add_images_options, open_images

if TYPE_CHECKING:
    from pipeline.arguments import Commands
    from pipeline.index.engine import Result

_TABLE_ROWS = 100  # shown of a table when no --limit is given
_DESCRIPTION = """\
Ask the index of an image store: one SELECT, SHOW TABLES or DESCRIBE TABLE in HiveQL, or the name of
a query in hive/queries. Tables: images, boxes, synsets, predictions, quarantine, refused,
duplicates; DESCRIBE says what each column is. The same on Hive and on DuckDB.
"""


def add_parser(commands: Commands) -> None:
    """Add the command `query`."""
    parser: ArgumentParser = commands.add_parser(
        "query", help="ask the index of the images, in HiveQL", description=_DESCRIPTION
    )
    parser.add_argument(
        "query", nargs="?", metavar="QUERY", help="HiveQL, or the name of a query in hive/queries"
    )
    parser.add_argument("--file", type=Path, metavar="FILE", help="read the HiveQL from a file")
    parser.add_argument("--list", action="store_true", help="list the queries in hive/queries")
    parser.add_argument(
        "--format",
        choices=("table", "csv", "spreadsheet", "json"),
        default="table",
        help="table: for people (default); csv: a header, NULL is nothing and an empty text is "
        '""; spreadsheet: csv in which no text is a formula; json: one array of objects',
    )
    parser.add_argument(
        "--limit",
        type=int,
        metavar="N",
        help=f"print N rows at most, 0 for all (default: {_TABLE_ROWS} of a table, else all)",
    )
    add_engine_option(parser)
    add_images_options(parser)
    parser.set_defaults(json=False)


def add_engine_option(parser: ArgumentParser) -> None:
    """Add the option that says which engine answers."""
    parser.add_argument(
        "--engine",
        choices=("hive", "duckdb"),
        help="what answers (default: Hive if the image store's cluster has it, else DuckDB)",
    )


def run(args: Namespace) -> dict[str, Any]:
    """Answer a query.

    Returns
    -------
    {"lines": the lines to print, made while they are read}
    """
    if args.list:
        return {"lines": _listed()}
    if args.limit is not None and args.limit < 0:
        raise ConfigError(f"query: --limit is a number of rows, 0 for all, not {args.limit}")
    return {"lines": _answered(args)}


def _listed() -> Iterator[str]:
    from pipeline.index.definitions import named

    queries = named("queries")
    width = max(map(len, queries), default=0)
    for name, query in queries.items():
        yield f"{name:{width}}  {query.says}"


def _answered(args: Namespace) -> Iterator[str]:
    from pipeline import index  # sqlglot and DuckDB take a while
    from pipeline.index.hiveql import read_statement

    statement = read_statement(_text_of(args))
    with index.open_index(open_images(args), args.engine) as engine:
        yield from _written(engine.query(statement), args.format, args.limit)


def _written(result: Result, form: str, limit: int | None) -> Iterator[str]:
    from pipeline.index import printing

    if limit is None and form == "table":
        limit = _TABLE_ROWS
    shown = printing.Shown(result.rows, limit or None)
    yield from printing.FORMS[form](result.columns, shown.rows())
    if form == "table":
        yield shown.summary()
    elif shown.n_left_out:
        print(f"query: {shown.summary()}", file=sys.stderr)  # noqa: T201


def _text_of(args: Namespace) -> str:
    """Return the HiveQL of the argument, of a named query, or of a file."""
    from pipeline.index.definitions import named

    if (args.query is None) == (args.file is None):
        raise ConfigError("query: give HiveQL, the name of a query (see --list), or --file FILE")
    if args.file is not None:
        try:
            return str(args.file.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "not UTF-8 text"
            raise ConfigError(f"query: {args.file} cannot be read: {why}") from error
    text: str = args.query.strip()
    if not text.isidentifier():
        return text
    queries = named("queries")
    if text not in queries:
        raise ConfigError(f"no query {text} in hive/queries; there: {', '.join(queries)}")
    return queries[text].sql


def lines(result: dict[str, Any]) -> Iterator[str]:
    """Yield the lines to print."""
    yield from result["lines"]

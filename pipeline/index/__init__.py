"""The index of an image store: its tables, checked and queried in HiveQL, on Hive or on DuckDB.

The tables are defined once, in `hive/ddl`; both engines fill them from the image store's own
tab-separated files. Queries are HiveQL on both: DuckDB gets them translated.

    load(images, None, progress)                          # after the files have changed
    with open_index(images) as index:
        result = index.query(read_statement("SELECT COUNT(*) AS n FROM images"))
        for row in result.rows: ...
    for row in select_rows(images, "wnid = 'n02084071' AND width > 400"): ...
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from mr_jobs.lib.errors import ConfigError
from mr_jobs.lib.records import CatalogRow
from pipeline.progress import Progress

if TYPE_CHECKING:  # the engines' imports take half a second: only where they are used
    from pipeline.images import Images
    from pipeline.index.engine import Engine

ENGINES = ("hive", "duckdb")


def load(images: Images, engine: str | None, progress: Progress) -> dict[str, Any]:
    """Create the tables of an image store anew from its files, and run every check on them.

    Parameters
    ----------
    images : the image store.
    engine : `hive`, `duckdb`, or None: Hive when the image store's cluster has it, else DuckDB.
    progress : gets one note for each table and warning.

    Returns
    -------
    {"engine": name, "tables": {table: rows}, "checks": how many ran, "warnings": [sentences]}

    Raises
    ------
    JobError
        A check found rows; the sentence names the check and its first rows.
    DataError
        A file is not what its table's definition says.
    ConfigError, ClusterError
        The engine is not there or does not answer.
    """
    from pipeline.index.checks import run_checks

    with engine_of(images, engine) as index:
        index.build(progress)
        counts = index.count_rows()
        n_checks, warnings = run_checks(index)
        index.mark_checked()
        for warning in warnings:
            progress.note(warning)
        return {"engine": index.name, "tables": counts, "checks": n_checks, "warnings": warnings}


def engine_of(images: Images, asked: str | None) -> Engine:
    """Return the engine that is asked for; else Hive where the cluster has it, else DuckDB.

    Its tables may be older than the files: see `open_index`.
    """
    if asked not in (None, *ENGINES):
        raise ConfigError(f"no engine {asked}; there: {', '.join(ENGINES)}")
    has_hive = images.cluster is not None and images.cluster.hive_port is not None
    if asked == "hive" or (asked is None and has_hive):
        from pipeline.index.hive_engine import HiveEngine  # thrift is needed there only

        return HiveEngine(images)
    from pipeline.index.duckdb_engine import DuckDBEngine

    return DuckDBEngine(images)


def open_index(images: Images, engine: str | None = None) -> Engine:
    """Return the index, filled anew if the image store's files have changed since; close it.

    Raises
    ------
    ConfigError, ClusterError, DataError
        As `load`, which runs the checks, too.
    """
    index = engine_of(images, engine)
    if not index.is_built():
        with Progress("index") as progress:
            index.build(progress)
    return index


def select_rows(images: Images, where: str, *, engine: str | None = None) -> Iterator[CatalogRow]:
    """Yield the rows of the images that a condition holds for, streaming.

    Parameters
    ----------
    images : the image store.
    where : a HiveQL boolean expression on the columns of `images`, such as
        `wnid = 'n02084071' AND width > 400`. It may hold subqueries on the other tables:
        `image_id IN (SELECT b.image_id FROM boxes b WHERE b.wnid = 'n02814533' AND b.xmin < 50)`.
        Quarantined images are among the answers unless it says `status = 'kept'`.
    engine : as in `load`.

    Yields
    ------
    Rows by bundle and offset, the order in which they are read fastest.

    Raises
    ------
    ConfigError
        The expression is not one, or names a column that there is not; raised by the call itself,
        before the first row.
    """
    from pipeline.index.hiveql import read_condition

    statement = read_condition(where)
    index = open_index(images, engine)
    try:
        found = index.query(statement).rows
    except BaseException:
        index.close()
        raise

    def rows() -> Iterator[CatalogRow]:
        with index:
            yield from map(CatalogRow._make, found)

    return rows()

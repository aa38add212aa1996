"""The index in DuckDB, in this process: a database file in the image store's cache.

The file is filled from the image store's files and then opened for reading only, without access to
anything outside it. Its name holds the state of the files: when they change, another is made.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from mr_jobs.lib.errors import ConfigError, DataError
from mr_jobs.lib.records import NULL
from pipeline.index.definitions import Table, tables
from pipeline.index.engine import (
    BATCH_ROWS,
    Engine,
    Result,
    TableFile,
    alone,
    described,
    files_of,
    first_line,
    local_path,
    query_error,
    state_of,
)
from pipeline.index.hiveql import Statement, parse_select, to_duckdb, type_in_duckdb
from pipeline.progress import Progress

if TYPE_CHECKING:
    from pipeline.images import Images

_COPY_BYTES = 1 << 20
_LIMITS: dict[str, Any] = {"memory_limit": "256MB", "threads": 2}
_CLOSED: dict[str, Any] = {
    "enable_external_access": False,
    "error_on_division_by_zero": False,  # Hive answers NULL
    "lock_configuration": True,
}
# Python's str() would not do: a tab and a backslash are themselves in these files.
_READ = (
    "read_csv(?, delim = '\t', quote = '', escape = '', comment = '', nullstr = ?, header = false, "
    "auto_detect = false, hive_partitioning = false, new_line = '\\n', columns = {columns})"
)


class DuckDBEngine(Engine):
    """The index of an image store in DuckDB; it reads the tables' definitions from `hive/ddl`."""

    name = "duckdb"

    def __init__(self, images: Images) -> None:
        self._images = images
        self._connection: duckdb.DuckDBPyConnection | None = None

    def close(self) -> None:
        """Let go of the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def is_built(self) -> bool:
        """Say whether there is a database of the files as they are now."""
        return self._path().exists()

    def is_fresh(self) -> bool:
        """Say whether there is one, and all checks passed on it."""
        return self.is_built() and self._path().with_suffix(".checked").exists()

    def mark_checked(self) -> None:
        """Note that all checks passed on the database."""
        self._path().with_suffix(".checked").touch()

    def build(self, progress: Progress) -> None:
        """Make the database of the files as they are now, and remove older ones."""
        self.close()
        path = self._path()
        with alone(self._images.cache):
            for old in self._images.cache.glob("index-*"):
                shutil.rmtree(old) if old.is_dir() else old.unlink()
            part = path.with_name(f"{path.name}.part")
            with _connection(part, _LIMITS) as connection:
                for table in tables():
                    self._create(connection, table)
                    progress.note(f"table {table.name}")
            part.rename(path)

    def query(self, statement: Statement) -> Result:
        """Answer a statement that reads."""
        if statement.tree is None:
            return described(statement)
        sql = to_duckdb(statement.tree)
        if self._connection is None:
            self._connection = duckdb.connect(
                str(self._path()), read_only=True, config=_LIMITS | _CLOSED
            )
        try:
            cursor = self._connection.cursor().execute(sql)
        except duckdb.Error as error:
            raise _query_error(error) from error
        return Result([name.lower() for name, *_ in cursor.description or ()], _fetch(cursor))

    def _path(self) -> Path:
        return self._images.cache / f"index-{state_of(self._images)}.duckdb"

    def _create(self, connection: duckdb.DuckDBPyConnection, table: Table) -> None:
        name = _quoted(table.name)
        if table.select:
            select = to_duckdb(parse_select(table.select))
            columns = ", ".join(_quoted(column.name) for column in table.columns)
            connection.execute(f"CREATE VIEW {name} ({columns}) AS {select}")
        else:
            columns = ", ".join(
                f"{_quoted(column.name)} {type_in_duckdb(column.type)}" for column in table.columns
            )
            connection.execute(f"CREATE TABLE {name} ({columns})")
            for file in files_of(self._images.store, table):
                self._insert(connection, table, file)
        kind = "VIEW" if table.select else "TABLE"
        connection.execute(f"COMMENT ON {kind} {name} IS {_text(table.comment)}")
        for column in table.columns:
            where = f"{name}.{_quoted(column.name)}"
            connection.execute(f"COMMENT ON COLUMN {where} IS {_text(column.comment)}")

    def _insert(self, connection: duckdb.DuckDBPyConnection, table: Table, file: TableFile) -> None:
        columns = ", ".join(
            f"{_text(name)}: {_text(type_in_duckdb(table.column(name).type))}"
            for name in table.file_columns
        )
        into = ", ".join(_quoted(name) for name in (*table.file_columns, *table.path_columns))
        values = "".join(", ?" for _ in file.path_values)
        sql = (
            f"INSERT INTO {_quoted(table.name)} ({into}) SELECT *{values} FROM "  # noqa: S608
            + _READ.replace("{columns}", f"{{{columns}}}")
        )
        with self._local(file.name) as path:
            try:
                connection.execute(sql, [*file.path_values, str(path), NULL])
            except duckdb.Error as error:
                raise DataError(
                    f"{self._images.store.uri(file.name)} is not rows of the table {table.name}: "
                    f"{_csv_reason(error)}; make it anew with `bin/pipeline ingest`"
                ) from error

    @contextmanager
    def _local(self, name: str) -> Iterator[Path]:
        """Give the path of a file on this machine; one in HDFS is copied as long as needed."""
        if (path := local_path(self._images.store, name)) is not None:
            yield path
            return
        copy = self._images.cache / "index-copy.tsv"
        try:
            with self._images.store.open(name) as source, copy.open("wb") as target:
                shutil.copyfileobj(source, target, _COPY_BYTES)
            yield copy
        finally:
            copy.unlink(missing_ok=True)


def _fetch(cursor: duckdb.DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
    try:
        while batch := cursor.fetchmany(BATCH_ROWS):
            yield from batch
    except duckdb.Error as error:
        raise _query_error(error) from error


def _query_error(error: duckdb.Error) -> ConfigError:
    if isinstance(error, duckdb.OutOfMemoryException):
        return query_error(f"needs more than {_LIMITS['memory_limit']}; select less")
    return query_error(f"failed: {first_line(error)}")


def _csv_reason(error: duckdb.Error) -> str:
    """Return the line's number and what is wrong with it; the line itself is not shown."""
    lines = str(error).splitlines()
    return ": ".join([*lines[:1], *(s for s in lines if s.startswith(("Error when", "Expected")))])


@contextmanager
def _connection(path: Path, config: dict[str, Any]) -> Iterator[duckdb.DuckDBPyConnection]:
    connection = duckdb.connect(str(path), config=config)
    try:
        yield connection
    finally:
        connection.close()


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"

"""What an engine of the index does; the files that its tables are filled from."""

from __future__ import annotations

import fcntl
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from mr_jobs.lib.errors import ConfigError
from pipeline.config import fingerprint
from pipeline.index.definitions import Table, tables
from pipeline.index.hiveql import Statement, read_statement
from pipeline.progress import Progress
from pipeline.stores import HdfsStore, LocalStore, Store

if TYPE_CHECKING:
    from pipeline.images import Images

BATCH_ROWS = 10_000  # that a result's rows are fetched in


class Result(NamedTuple):
    """The answer to a query: the columns' names in small letters, and the rows, to read once."""

    columns: list[str]
    rows: Iterator[tuple[Any, ...]]


class Engine(ABC):
    """An index of one image store."""

    name: str

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @abstractmethod
    def is_built(self) -> bool:
        """Say whether the tables are those of the image store's files as they are now."""

    @abstractmethod
    def is_fresh(self) -> bool:
        """Say whether they are, and all checks passed on them."""

    @abstractmethod
    def mark_checked(self) -> None:
        """Note that all checks passed on the tables."""

    @abstractmethod
    def build(self, progress: Progress) -> None:
        """Create and fill the tables anew."""

    @abstractmethod
    def query(self, statement: Statement) -> Result:
        """Answer a statement that reads.

        Raises
        ------
        ConfigError
            The query does not fit the tables, or has no translation.
        ClusterError
            The engine does not answer.
        """

    @abstractmethod
    def close(self) -> None:
        """Let go of files and connections; results are not to be read afterwards."""

    def count_rows(self) -> dict[str, int]:
        """Return the number of rows of every table."""
        counts = {}
        for table in tables():
            sql = f"SELECT COUNT(*) FROM {table.name}"  # noqa: S608  # a name of the definitions
            (counts[table.name],) = next(self.query(read_statement(sql)).rows)
        return counts


@dataclass(frozen=True)
class TableFile:
    """A file with rows of a table; `path_values` belong to the table's `path_columns`."""

    name: str
    path_values: tuple[str, ...]


def files_of(store: Store, table: Table) -> Iterator[TableFile]:
    """Yield the files that a table is filled from, sorted."""

    def walk(folder: str, values: tuple[str, ...]) -> Iterator[TableFile]:
        column = table.path_columns[len(values)] if len(values) < len(table.path_columns) else None
        for name in store.files(folder):
            _, is_part, value = name.rpartition("/")[2].partition(f"{column}=")
            if column is None:
                yield TableFile(name, values)
            elif is_part:
                yield from walk(name, (*values, value))

    if table.directory:
        yield from walk(table.directory, ())


def state_of(images: Images) -> str:
    """Return a fingerprint of the tables' definitions and of the files as they are now."""
    facts: list[object] = []
    for table in tables():
        files = [file.name for file in files_of(images.store, table)]
        facts += [table.ddl, [(name, _changes(images.store, name)) for name in files]]
    return fingerprint(facts)


def _changes(store: Store, name: str) -> object:
    """Return what changes with a file."""
    if isinstance(store, LocalStore):
        status = (store.root / name).stat()
        return status.st_size, status.st_mtime_ns
    if isinstance(store, HdfsStore):
        found = store.status(name) or {}
        return found.get("length"), found.get("modificationTime")
    return None


def local_path(store: Store, name: str) -> Path | None:
    """Return where a file of the image store is on this machine, or None."""
    return store.root / name if isinstance(store, LocalStore) else None


@contextmanager
def alone(cache: Path) -> Iterator[None]:
    """Let one process at a time build the index with this cache; the lock ends with the process."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def described(statement: Statement) -> Result:
    """Answer SHOW TABLES and DESCRIBE as Hive does, from the definitions."""
    if statement.described is None:
        return Result(["tab_name"], iter(sorted((table.name,) for table in tables())))
    for table in tables():
        if table.name == statement.described:
            rows = [(column.name, column.type.lower(), column.comment) for column in table.columns]
            return Result(["col_name", "data_type", "comment"], iter(rows))
    known = ", ".join(sorted(table.name for table in tables()))
    raise ConfigError(f"no table {statement.described}; there: {known}")


def first_line(error: Exception) -> str:
    """Return the first line of a library's message, without its full stop."""
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(". ")


def query_error(why: str) -> ConfigError:
    """Make the error of a query that an engine refuses."""
    return ConfigError(f"the query {why} (`bin/pipeline query 'DESCRIBE images'` names columns)")


def plain(value: object) -> bool | int | float | str | None:
    """Bring a value of a result to one form whatever the engine: None, int, float, bool or str.

    A number without a fraction is an int, lists and maps are JSON as Hive writes them.

    >>> [plain(value) for value in (Decimal("2.50"), 3.0, ["a"], None)]
    [2.5, 3, '["a"]', None]
    """
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float | Decimal):
        number = float(value)
        return int(value) if number.is_integer() else number
    if isinstance(value, list | dict):
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=str)
    return str(value)

"""The index in Hive: one database an image store, reached through HiveServer2.

Tables without partitions are external ones over the image store's files. For the others an
external table over the files lends its rows, which Hive copies into partitions of Parquet.
"""

from __future__ import annotations

import getpass
import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from impala.dbapi import connect
from impala.error import Error as HiveError
from sqlglot import exp
from thrift.Thrift import TException  # type: ignore[import-untyped]

from mr_jobs.lib.errors import ClusterError, ConfigError
from pipeline.index.definitions import LOCATION, Table, tables
from pipeline.index.engine import (
    BATCH_ROWS,
    Engine,
    Result,
    alone,
    described,
    files_of,
    first_line,
    query_error,
    state_of,
)
from pipeline.index.hiveql import Statement
from pipeline.progress import Progress

if TYPE_CHECKING:
    from pipeline.cluster import Cluster
    from pipeline.images import Images

SETTINGS = {
    "hive.exec.mode.local.auto": "true",  # no YARN for tables of an index: 3 s instead of 45 s
    "hive.exec.mode.local.auto.inputbytes.max": str(1 << 30),
    "hive.exec.mode.local.auto.input.files.max": "1000",
    "hive.exec.dynamic.partition": "true",
    "hive.exec.dynamic.partition.mode": "nonstrict",
    "hive.exec.max.dynamic.partitions": "10000",
    "hive.exec.max.dynamic.partitions.pernode": "10000",
    "hive.resultset.use.unique.column.names": "false",  # `n`, not `images.n`
}
_BUILT, _CHECKED = "index.built", "index.checked"  # properties of a database: states of files
_REASON = re.compile(r"(?:Error while (?:compiling|processing) statement: )?(?:FAILED: )?(.*)")


class HiveEngine(Engine):
    """The index of an image store in the Hive of its cluster.

    Raises
    ------
    ConfigError
        The image store's cluster has no Hive.
    """

    name = "hive"

    def __init__(self, images: Images) -> None:
        if images.cluster is None or images.cluster.hive_port is None:
            where = f"cluster {images.cluster.name}" if images.cluster else "this machine"
            raise ConfigError(
                f"the image store {images.name} is on {where}, which has no Hive; add it with "
                "`bin/pipeline up --with hive`, or use --engine duckdb"
            )
        self._images = images
        self._cluster = images.cluster
        self._connection: Any = None
        self._sessions: list[Any] = []
        self._own: Any = None  # the session of everything but queries
        self.database = database_of(images.name)

    def close(self) -> None:
        """Let go of the sessions, then of the connection: a session would open it again."""
        if self._connection is not None:
            with self._reached():
                for session in self._sessions:
                    session.close()
                self._connection.close()
            self._connection = self._own = None
            self._sessions.clear()

    def is_built(self) -> bool:
        """Say whether the database was filled from the files as they are now."""
        return f"{_BUILT}={state_of(self._images)}" in self._marks()

    def is_fresh(self) -> bool:
        """Say whether it was, and all checks passed on it."""
        return f"{_CHECKED}={state_of(self._images)}" in self._marks()

    def mark_checked(self) -> None:
        """Note that all checks passed on the database."""
        self._mark(_CHECKED, state_of(self._images))

    def _marks(self) -> str:
        """Return the properties of the database as Hive writes them; nothing without one."""
        if not self._rows(f"SHOW DATABASES LIKE '{self.database}'"):
            return ""
        return str(self._rows(f"DESCRIBE DATABASE EXTENDED {self.database}"))

    def _mark(self, name: str, value: str) -> None:
        self._do(f"ALTER DATABASE {self.database} SET DBPROPERTIES ('{name}' = '{value}')")

    def build(self, progress: Progress) -> None:
        """Fill the database from the files as they are now."""
        with alone(self._images.cache):
            state = state_of(self._images)
            self._do(f"CREATE DATABASE IF NOT EXISTS {self.database}")
            for mark in (_BUILT, _CHECKED):
                self._mark(mark, "no")
            self._do(f"USE {self.database}")
            for table in reversed(tables()):
                kind = "VIEW" if table.select else "TABLE"
                self._do(f"DROP {kind} IF EXISTS {table.name}")
            for table in tables():
                self._do(_statement(table.ddl.replace(LOCATION, self._images.store.uri(""))))
                if table.partitions:
                    self._copy(table)
                progress.note(f"table {table.name}")
            self._mark(_BUILT, state)

    def query(self, statement: Statement) -> Result:
        """Answer a statement that reads."""
        if statement.tree is None:
            return described(statement)
        with self._reached():
            cursor = self._session({"use:database": self.database})
            with _refused_query():
                cursor.execute(statement.sql)
        names = [name.lower() for name, *_ in cursor.description or ()]
        return Result(names, self._fetch(cursor))

    def _copy(self, table: Table) -> None:
        """Copy the rows of the files into the partitions of a table."""
        if not any(files_of(self._images.store, table)):
            return
        files = f"{table.name}_tsv"
        self._do(f"DROP TABLE IF EXISTS {files}")
        paths = f"PARTITIONED BY ({_columns(table, table.path_columns)})"
        self._do(
            f"CREATE EXTERNAL TABLE {files} ({_columns(table, table.file_columns)}) "
            f"{paths if table.path_columns else ''} "
            "ROW FORMAT DELIMITED FIELDS TERMINATED BY '\\t' STORED AS TEXTFILE "
            f"LOCATION '{self._images.store.uri(table.directory)}'"
        )
        if table.path_columns:
            self._do(f"MSCK REPAIR TABLE {files}")
        columns = ", ".join(f"`{column.name}`" for column in table.columns)
        parts = ", ".join(f"`{name}`" for name in table.partitions)
        select = f"SELECT {columns} FROM {files}"  # noqa: S608  # names of the definitions
        self._do(f"INSERT INTO TABLE {table.name} PARTITION ({parts}) {select}")
        self._do(f"DROP TABLE {files}")  # an external one: the files stay

    def _do(self, sql: str) -> None:
        with self._reached():
            if self._own is None:
                self._own = self._session({})
            self._own.execute(sql)

    def _rows(self, sql: str) -> list[tuple[Any, ...]]:
        self._do(sql)
        with self._reached():
            rows: list[tuple[Any, ...]] = self._own.fetchall()
        return rows

    def _fetch(self, cursor: Any) -> Iterator[tuple[Any, ...]]:  # noqa: ANN401
        with self._reached():
            while batch := cursor.fetchmany(BATCH_ROWS):
                yield from batch
            cursor.close()
            self._sessions.remove(cursor)

    def _session(self, settings: dict[str, str]) -> Any:  # noqa: ANN401
        """Open a session: every cursor has its own."""
        if self._connection is None:
            self._connection = connection_to(self._cluster)
        self._sessions.append(self._connection.cursor(configuration=SETTINGS | settings))
        return self._sessions[-1]

    @contextmanager
    def _reached(self) -> Iterator[None]:
        """Turn what Hive says into one sentence."""
        try:
            yield
        except (HiveError, TException, OSError) as error:
            raise ClusterError(
                f"Hive of cluster {self._cluster.name} failed or did not answer "
                f"({reason_of(error)}); see `bin/pipeline status`"
            ) from error


def database_of(images_name: str) -> str:
    """Return the database of an image store: another one for every name.

    >>> database_of("sample"), database_of("ILSVRC-2012")
    ('images_sample', 'images_ilsvrc_2012_289881')
    """
    plain = re.sub(r"[^a-z0-9]+", "_", images_name.lower())
    if plain == images_name:
        return f"images_{plain}"
    return f"images_{plain}_{hashlib.sha256(images_name.encode()).hexdigest()[:6]}"


@contextmanager
def _refused_query() -> Iterator[None]:
    try:
        yield
    except HiveError as error:
        raise query_error(f"failed: {reason_of(error)}") from error


def connection_to(cluster: Cluster) -> Any:  # noqa: ANN401
    """Connect to the HiveServer2 of a cluster that has one, as the OS user."""
    return connect(
        cluster.hive_host,
        cluster.hive_port,
        auth_mechanism="PLAIN",
        user=getpass.getuser(),
        password="-",  # noqa: S106  # Hive does not look at it
    )


def reason_of(error: Exception) -> str:
    """Return why Hive refused something, without what it puts before each reason."""
    found = _REASON.match(first_line(error))
    return found[1] if found else first_line(error)


def _statement(sql: str) -> str:
    return sql.strip().rstrip(";")


def _columns(table: Table, names: tuple[str, ...]) -> str:
    return ", ".join(
        f"`{name}` {table.column(name).type} "
        f"COMMENT {exp.Literal.string(table.column(name).comment).sql(dialect='hive')}"
        for name in names
    )

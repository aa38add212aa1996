r"""The Hive shell: HiveQL over several lines, a table for an answer, a sentence for an error."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

from impala.error import Error as HiveError
from thrift.Thrift import TException  # type: ignore[import-untyped]

from mr_jobs.lib.errors import ClusterError, ConfigError
from pipeline.cluster import Cluster
from pipeline.cluster_mark import has_no
from pipeline.index.hive_engine import SETTINGS, connection_to, reason_of
from pipeline.index.printing import Shown, table_lines
from pipeline.shells.console import LeaveError, LineShell
from pipeline.shells.statements import Statements

_BATCH_ROWS = 1000
_POLL_S = 0.05
_WORD = re.compile(r"[A-Za-z_]\w*")
_KEYWORDS = (  # noqa: SIM905  # a list would be five times as long
    "ALTER AND AS ASC BETWEEN BY CASE COUNT CREATE DATABASE DATABASES DESC DESCRIBE DISTINCT DROP "
    "ELSE END EXISTS EXPLAIN EXTERNAL FORMATTED FROM FULL GROUP HAVING IF IN INNER INSERT INTO IS "
    "JOIN LEFT LIKE LIMIT LOCATION NOT NULL ON OR ORDER OUTER OVERWRITE PARTITION PARTITIONED "
    "PARTITIONS SELECT SET SHOW STORED SUM TABLE TABLES THEN UNION USE VALUES VIEW WHEN WHERE WITH"
).split()
_EXAMPLES = """\
  SELECT wnid, COUNT(*) AS n FROM images GROUP BY wnid ORDER BY n DESC LIMIT 3;
  SELECT key, width FROM images WHERE width > 400 LIMIT 5;
"""
_FIRST_EXAMPLES = """\
  CREATE TABLE hello (id INT, word STRING);
  INSERT INTO hello VALUES (1, 'elephant'), (2, 'bee');
  SELECT * FROM hello;
"""
_HELP = r"""a statement ends with ; and may take several lines
  \d              the tables        = SHOW TABLES;
  \d TABLE        its columns       = DESCRIBE TABLE;
  \l              the databases     = SHOW DATABASES;
  \c DATABASE     work in this one  = USE DATABASE;
  \q              leave, as Ctrl-D; Ctrl-C stops a statement"""


class HiveShell(LineShell):
    """A session in the Hive of a cluster.

    Parameters
    ----------
    cluster : one with Hive.
    out : where answers go.
    database : to begin in, or None: the only image store's, else `default`.
    """

    delimiters = " \t\n(),;=<>.`\"'"

    def __init__(self, cluster: Cluster, out: TextIO, database: str | None = None) -> None:
        super().__init__(out)
        if cluster.hive_port is None:
            raise has_no(cluster.name, "Hive")
        self._cluster = cluster
        self._statements = Statements()
        self._names: dict[str, list[str]] = {}  # for completion
        self.database = "default"
        self._was_interrupted = False
        self._connect()
        self._use_first(database)

    def _connect(self) -> None:
        with self._reached():
            self._connection = connection_to(self._cluster)
            self._cursor = self._connection.cursor(configuration=SETTINGS)

    def _use_first(self, wanted: str | None) -> None:
        there = [name for (name,) in self._rows("SHOW DATABASES")]
        stores = [name for name in there if name.startswith("images_")]
        if wanted and wanted not in there:
            raise ConfigError(
                f"Hive has no database {wanted} yet; `bin/pipeline query` makes an image store's"
            )
        if wanted or len(stores) == 1:
            self._do(f"USE {wanted or stores[0]}")
            self.database = wanted or stores[0]

    @property
    def prompt(self) -> str:
        """The database; in the middle of a statement, what it waits for."""
        if self.pending:
            waits = self._statements.open_quote or "-"
            return f"{waits}> ".rjust(len(self.database) + 7)
        return f"hive:{self.database}> "

    @property
    def pending(self) -> bool:
        """Whether a statement is not complete."""
        return bool(self._statements.rest)

    def banner(self) -> str:
        """Return where this is, and what to try."""
        examples = _FIRST_EXAMPLES if self.database == "default" else _EXAMPLES
        return rf"""Hive of cluster {self._cluster.name}, database {self.database}
{examples}\d tables, \d images its columns, \l databases, \? help, Ctrl-D leaves"""

    def take(self, line: str) -> None:
        """Take a line; do the statements that end in it."""
        if not self.pending:
            word = line.strip().rstrip("; ").lower()
            if word in ("exit", "quit", r"\q"):
                raise LeaveError
            if word in ("help", r"\?"):
                self.say(_HELP)
                return
        for statement in self._statements.add(line):
            self.execute(_meant(statement))
        if self._statements.rest.startswith("\\"):  # a short form needs no semicolon
            short = self._statements.rest
            self._statements.clear()
            self.execute(_meant(short))

    def finish(self) -> None:
        """Do the last statement, whose semicolon may be left out at the end of a pipe."""
        rest = self._statements.rest
        self._statements.clear()
        if rest:
            self.execute(rest)

    def cancel(self) -> None:
        """Forget what is pending; begin a session anew if the answer to a statement was cut off."""
        self._statements.clear()
        if self._was_interrupted:
            self._was_interrupted = False
            with suppress(HiveError, TException, OSError):
                self._connection.close()
            self._connect()
            self._do(f"USE `{self.database}`")

    def close(self) -> None:
        """End the session."""
        with self._reached():
            self._cursor.close()
            self._connection.close()

    def execute(self, statement: str) -> None:
        """Do a statement and print its answer.

        Raises
        ------
        ConfigError
            Hive refuses it.
        ClusterError
            Hive does not answer.
        """
        try:
            self._execute(statement)
        except KeyboardInterrupt:  # maybe in the middle of an answer: what follows it is not ours
            self._was_interrupted = True
            raise

    def _execute(self, statement: str) -> None:
        began = time.monotonic()
        self._do(statement)
        used = re.fullmatch(r"USE\s+`?(\w+)`?", statement, re.IGNORECASE)
        if used:
            self.database = used[1].lower()
        if not re.match(r"SELECT|WITH|SHOW|DESC|EXPLAIN|SET|FROM", statement, re.IGNORECASE):
            self._names.clear()  # tables may be others now
        if self._cursor.description:
            shown = Shown(self._fetch(), None)
            columns = [name.lower() for name, *_ in self._cursor.description]
            for line in table_lines(columns, shown.rows()):
                self.say(line)
            self.say(f"{shown.summary()[:-1]}, {time.monotonic() - began:.2f} s)")
        else:
            self.say(f"done, {time.monotonic() - began:.2f} s")

    def _do(self, statement: str) -> None:
        with self._reached():
            try:
                self._cursor.execute_async(statement)
                while self._cursor.is_executing():
                    time.sleep(_POLL_S)
                self._cursor.status()
            except HiveError as error:
                raise ConfigError(reason_of(error)) from error
            except KeyboardInterrupt:
                with suppress(HiveError, TException, OSError):
                    self._cursor.cancel_operation()
                raise

    def _rows(self, statement: str) -> list[tuple[Any, ...]]:
        self._do(statement)
        return list(self._fetch())

    def _fetch(self) -> Iterator[tuple[Any, ...]]:
        with self._reached():
            while batch := self._cursor.fetchmany(_BATCH_ROWS):
                yield from batch

    @contextmanager
    def _reached(self) -> Iterator[None]:
        try:
            yield
        except (HiveError, TException, OSError) as error:
            raise ClusterError(
                f"Hive of cluster {self._cluster.name} does not answer ({reason_of(error)}); see "
                "`bin/pipeline status`"
            ) from error

    def complete(self, before: str, word: str) -> list[str]:
        """Complete keywords, tables, and columns of the tables that the statement names."""
        tables = self._known("", lambda: [name for name, *_ in self._rows("SHOW TABLES")])
        named = set(_WORD.findall(f"{self._statements.rest} {before}".lower())) & set(tables)
        columns = [name for table in sorted(named) for name in self._columns(table)]
        if not word.isupper():
            tables = [*tables, *columns]
        start = word.lower()
        found = dict.fromkeys(name for name in tables if name.startswith(start))
        keywords = [name for name in _KEYWORDS if word and name.startswith(word.upper())]
        return [*found, *(name if word.isupper() else name.lower() for name in keywords)]

    def _columns(self, table: str) -> list[str]:
        def ask() -> list[str]:
            names = [str(name) for name, *_ in self._rows(f"DESCRIBE {table}")]
            return [name for name in dict.fromkeys(names) if _WORD.fullmatch(name)]

        return self._known(table, ask)

    def _known(self, what: str, ask: Callable[[], list[str]]) -> list[str]:
        if what not in self._names:
            self._names[what] = ask()
        return self._names[what]


def _meant(text: str) -> str:
    r"""Return the statement that a short form stands for; a statement as it is.

    >>> _meant(r"\d images"), _meant(r"\l"), _meant("SHOW TABLES")
    ('DESCRIBE images', 'SHOW DATABASES', 'SHOW TABLES')
    """
    if not text.startswith("\\"):
        return text
    word, _, name = text.partition(" ")
    meant = {
        (r"\d", False): "SHOW TABLES",
        (r"\d", True): f"DESCRIBE {name.strip()}",
        (r"\l", False): "SHOW DATABASES",
        (r"\c", True): f"USE {name.strip()}",
    }.get((word, bool(name.strip())))
    if meant is None:
        raise ConfigError(rf"no short form {text}; \? lists them")
    return meant

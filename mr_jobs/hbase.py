"""Put, scan and get rows of a table of HBase through its Thrift server, in bounded memory.

What happybase needs is imported when the first table is opened: it is of the extra `hbase`.

Source: happybase 1.3 and the Thrift interface of HBase 2.4 (Hbase.thrift).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeAlias, TypeVar

from mr_jobs.lib.errors import ClusterError, ConfigError, DataError
from mr_jobs.lib.hbase_rows import Address

if TYPE_CHECKING:
    from mr_jobs.image_job import ImageJob

TASK_WAITS_S = (0.5, 2.0, 5.0, 10.0, 20.0)  # a region's server may be started anew meanwhile
USER_WAITS_S = (0.5,)
_TIMEOUT_MS = 150_000  # less than a task's, see mrjob.conf
_SCAN_ROWS = 16  # a request; of images of at most 1 MiB

Cells = Mapping[bytes, bytes]
Row = tuple[bytes, Cells]
Answer = TypeVar("Answer")
Opened: TypeAlias = Any  # happybase's own table, which has no types


def add_table_option(job: ImageJob, told: str) -> None:
    """Let a job take the address of a table, `mr_jobs.lib.hbase_rows.Address`, as `--hbase`."""
    job.add_passthru_arg("--hbase", default=None, metavar="HOST:PORT/TABLE", help=told)


class Table:
    """A table, through a connection of its own: for one thread.

    What fails is tried again after each of `waits_s` seconds; what is asked has the same effect a
    second time.

    Raises
    ------
    ConfigError
        The extra is not installed.
    ClusterError
        HBase does not answer, or refuses.
    """

    def __init__(self, address: Address, waits_s: Sequence[float] = TASK_WAITS_S) -> None:
        self.address = address
        self._waits_s = waits_s
        self._connection: Any = None
        self._n_connections = 0  # so far
        self._errors = _error_types()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def put(self, rows: Iterable[Row]) -> None:
        """Put cells into rows, in one request."""
        held = list(rows)

        def ask(table: Opened) -> None:
            batch = table.batch()
            for row, cells in held:
                batch.put(row, cells)
            batch.send()

        self._again(ask)

    def rows(self, keys: Sequence[bytes], columns: Sequence[bytes]) -> dict[bytes, Cells]:
        """Return the columns of those rows that are there."""
        return self._again(lambda table: dict(table.rows(list(keys), columns=list(columns))))

    def scan(
        self,
        start: bytes,
        stop: bytes | None,
        columns: Sequence[bytes],
        filter: bytes | None = None,
        n_at_once: int = _SCAN_ROWS,
    ) -> Iterator[Row]:
        """Yield the rows from `start` to before `stop`, in order; a lost scan goes on."""
        wanted = {"columns": list(columns), "filter": filter, "batch_size": n_at_once}
        found: Any = None
        opened = 0

        def next_row(table: Opened) -> Row | None:
            nonlocal found, opened
            if found is None or opened != self._n_connections:
                self._end(found)
                found = table.scan(row_start=start, row_stop=stop, **wanted)
                opened = self._n_connections
            row: Row | None = next(found, None)
            return row

        try:
            while (row := self._again(next_row)) is not None:
                start = row[0] + b"\0"  # where a scan that is begun anew goes on
                yield row
        finally:
            self._end(found)

    def exists(self) -> bool:
        """Say whether there is the table."""
        name = self.address.table.encode()
        return self._again(lambda table: name in table.connection.tables())

    def drop(self) -> None:
        """Remove the table, if it is there."""
        if self.exists():
            self._again(lambda table: table.connection.delete_table(table.name, disable=True))

    def regions(self) -> list[Mapping[str, Any]]:
        """Return what Thrift says of the table's regions."""
        return self._again(lambda table: list(table.regions()))

    def _again(self, ask: Callable[[Any], Answer]) -> Answer:
        for wait_s in (*self._waits_s, None):
            try:
                return ask(self._table())
            except self._errors as error:
                self._forget()
                told = _first_line(error)
                if wait_s is None or "TableNotFound" in told:
                    raise self._said(told) from error
            time.sleep(wait_s)
        raise AssertionError  # the last turn returns or raises

    def _table(self) -> Opened:
        import happybase

        if self._connection is None:
            host, port, _ = self.address
            self._connection = happybase.Connection(host, port, timeout=_TIMEOUT_MS)
            self._n_connections += 1
        return self._connection.table(self.address.table)

    def _end(self, scan: Opened) -> None:
        if scan is not None:
            with suppress(*self._errors):
                scan.close()

    def _forget(self) -> None:
        """Let go of a connection that may be broken; a scan on it is begun anew."""
        if self._connection is not None:
            with suppress(*self._errors):
                self._connection.close()
            self._connection = None

    def _said(self, told: str) -> ClusterError | DataError:
        host, port, table = self.address
        if "TableNotFound" in told:
            return DataError(
                f"HBase at {host}:{port} has no table {table}; ingest the data into a new image "
                "store, and remove this one with `bin/pipeline images --remove`"
            )
        return ClusterError(
            f"HBase at {host}:{port} refused or did not answer for table {table} ({told}); see "
            "`bin/pipeline status`"
        )


def _error_types() -> tuple[type[Exception], ...]:
    """Return what happybase raises when a call fails."""
    try:
        import happybase  # noqa: F401
        from thriftpy2.thrift import TException
    except ImportError as error:
        raise ConfigError(
            'store = "hbase" needs the extra hbase: bin/setup --extra hbase'
        ) from error
    return (OSError, EOFError, TException)


def _first_line(error: Exception) -> str:
    """Return the first line of what Thrift or Java says, without a stack trace."""
    said = getattr(error, "message", None) or error
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
    return (text.strip().splitlines() or [type(error).__name__])[0].rstrip(". ")

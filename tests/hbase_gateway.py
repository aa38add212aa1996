"""A Thrift server with tables in memory, which answers happybase as far as the pipeline asks.

It lets what is around HBase be tested without one; tests/cluster/landscape has the real thing.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from typing import Any, Self

Rows = dict[bytes, dict[bytes, bytes]]


class Gateway:
    """The handler: `tables` are what is stored; `failures` is how many calls shall fail yet."""

    def __init__(self) -> None:
        self.tables: dict[bytes, Rows] = {}
        self.failures = 0
        self.calls: list[str] = []
        self.port = 0
        self._scans: dict[int, Iterator[Any]] = {}

    def create(self, statement: str) -> None:
        """Create the table of a statement of HBase's shell."""
        found = re.match(r"create '([\w.-]+)', .*SPLITS => \['40', '80', 'c0'\]$", statement)
        assert found, statement
        self.tables[found[1].encode()] = {}

    def getTableNames(self) -> list[bytes]:  # the interface's names
        return list(self.tables)

    def isTableEnabled(self, name: bytes) -> bool:
        return name in self.tables

    def disableTable(self, name: bytes) -> None:
        assert name in self.tables

    def deleteTable(self, name: bytes) -> None:
        del self.tables[name]

    def mutateRows(self, name: bytes, batches: list[Any], _: object) -> None:
        table = self._table("mutateRows", name)
        for batch in batches:
            cells = table.setdefault(batch.row, {})
            cells.update((each.column, each.value) for each in batch.mutations)
        self._fail_after("mutateRows")

    def getRowsWithColumns(
        self, name: bytes, rows: list[bytes], columns: list[bytes], _: object
    ) -> list[Any]:
        table = self._table("getRowsWithColumns", name)
        return [self._result(row, table[row], columns) for row in rows if row in table]

    def scannerOpenWithScan(self, name: bytes, scan: Any, _: object) -> int:
        table = self._table("scannerOpenWithScan", name)
        keys = sorted(table)
        rows = keys[bisect_left(keys, scan.startRow or b"") :]
        found = re.search(rb"binary:(\d+)", scan.filterString or b"")
        results = (
            self._result(row, table[row], scan.columns)
            for row in rows
            if (not scan.stopRow or row < scan.stopRow)
            and (not found or table[row].get(b"metadata:batch") == found[1])
        )
        number = len(self._scans)
        self._scans[number] = (result for result in results if result.columns)
        return number

    def scannerGetList(self, number: int, n_rows: int) -> list[Any]:
        self.calls.append("scannerGetList")
        self._fail_after("scannerGetList")
        return list(islice(self._scans[number], n_rows))

    def scannerClose(self, number: int) -> None:
        self._scans[number] = iter(())

    def _table(self, call: str, name: bytes) -> Rows:
        self.calls.append(call)
        if name not in self.tables:
            raise _interface().IOError(
                message=f"{name.decode()}: TableNotFoundException\n at java".encode()
            )
        return self.tables[name]

    def _fail_after(self, call: str) -> None:
        """Fail when all is done, as a server does whose answer is lost."""
        if self.failures:
            self.failures -= 1
            raise _interface().IOError(
                message=f"{call}: NotServingRegionException\n at java".encode()
            )

    def _result(self, row: bytes, cells: dict[bytes, bytes], columns: list[bytes]) -> Any:
        found = {name: _interface().TCell(cells[name], 1) for name in columns if name in cells}
        return _interface().TRowResult(row=row, columns=found)


def _interface() -> Any:
    """Return HBase's Thrift interface, which happybase loads."""
    import happybase  # noqa: F401

    return sys.modules["Hbase_thrift"]


class _Served:
    """The server's thread, ended with the block."""

    def __init__(self, gateway: Gateway) -> None:
        from thriftpy2.protocol import TBinaryProtocolFactory
        from thriftpy2.server import TThreadedServer
        from thriftpy2.thrift import TProcessor
        from thriftpy2.transport import TBufferedTransportFactory, TServerSocket

        self._socket = TServerSocket("127.0.0.1", 0, client_timeout=None)
        self._socket.listen()
        gateway.port = self._socket.sock.getsockname()[1]
        self._socket.listen = lambda: None  # it does already
        self._server = TThreadedServer(
            TProcessor(_interface().Hbase, gateway),
            self._socket,
            iprot_factory=TBinaryProtocolFactory(decode_response=False),
            itrans_factory=TBufferedTransportFactory(),
            daemon=True,
        )
        logging.getLogger("thriftpy2.server").setLevel(logging.CRITICAL)  # the end is no error

    def __enter__(self) -> Self:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.closed = True
        self._socket.sock.shutdown(2)
        self._socket.close()

    def _serve(self) -> None:
        with suppress(OSError):
            self._server.serve()


@contextmanager
def serving() -> Iterator[Gateway]:
    """Serve tables on a free port of the loopback address until the end of the block."""
    gateway = Gateway()
    with _Served(gateway):
        yield gateway

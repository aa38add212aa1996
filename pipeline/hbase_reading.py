"""Read images out of the rows of HBase by their keys, some MB a request, by a few connections."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack

from mr_jobs.hbase import Cells, Table
from mr_jobs.hbase_images import whole_image
from mr_jobs.lib.errors import DataError
from mr_jobs.lib.hbase_rows import IMAGE_COLUMNS, PART_BYTES, row_key
from mr_jobs.lib.records import CatalogRow
from pipeline.hbase_store import Place

_GET_BYTES = 2 << 20
_GET_ROWS = 64


class Rows:
    """Reads the images of catalogue rows; for any number of threads, until it is closed."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._of_thread = threading.local()
        self._open = ExitStack()

    def close(self) -> None:
        """End all connections."""
        self._open.close()

    def read(
        self, rows: list[CatalogRow]
    ) -> tuple[int, list[tuple[CatalogRow, bytes, str | None]]]:
        """Read images by one request; return the bytes that came, and what each row has, or lacks.

        Raises
        ------
        ClusterError
            HBase does not answer.
        """
        table = self._table()
        try:
            found = table.rows([row_key(row.key) for row in rows], IMAGE_COLUMNS)
        except DataError as error:  # there is no table
            return 0, [(row, b"", str(error)) for row in rows]
        read = [self._image(table, row, found.get(row_key(row.key))) for row in rows]
        return sum(len(encoded) for _, encoded, _ in read), read

    def _image(
        self, table: Table, row: CatalogRow, cells: Cells | None
    ) -> tuple[CatalogRow, bytes, str | None]:
        if cells is None:
            return row, b"", f"HBase has no row {row_key(row.key).decode()}"
        try:
            encoded = whole_image(table, row_key(row.key), cells)
        except DataError as error:
            return row, b"", str(error)
        intact = hashlib.sha256(encoded).hexdigest() == row.sha256
        return row, encoded, None if intact else "its bytes in HBase are not those catalogued"

    def _table(self) -> Table:
        """Return this thread's table."""
        if not hasattr(self._of_thread, "table"):
            self._of_thread.table = self._open.enter_context(self._place.open())
        table: Table = self._of_thread.table
        return table


def requests_of(rows: Iterable[CatalogRow]) -> Iterator[list[CatalogRow]]:
    """Group rows, in order, so that the images of each group are one request's worth."""
    held: list[CatalogRow] = []
    n_bytes = 0
    for row in rows:
        size = min(row.bytes, PART_BYTES)  # larger ones come by requests of their own
        if held and (n_bytes + size > _GET_BYTES or len(held) >= _GET_ROWS):
            yield held
            held, n_bytes = [], 0
        held.append(row)
        n_bytes += size
    if held:
        yield held

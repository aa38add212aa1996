"""The images in the rows of a table of HBase: put with what belongs to them, scanned, got.

A large image is kept in parts, so that no request is larger than some MB whatever the images are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import NamedTuple

from mr_jobs.hbase import Cells, Row, Table
from mr_jobs.lib.audit import Stored
from mr_jobs.lib.errors import DataError
from mr_jobs.lib.hbase_rows import (
    BATCH,
    DATA,
    IMAGE_COLUMNS,
    N_PARTS,
    NO_BATCH,
    PART_BYTES,
    SaltRange,
    batch_filter,
    image_key,
    part_column,
    row_key,
)

_PUT_BYTES = 2 << 20
_PUT_ROWS = 256
_PARTS_A_GET = 4


class StoredImage(NamedTuple):
    """An image of a row; `batch` is None for a row that no ingest finished."""

    key: str
    batch: str | None
    encoded: bytes


def scan_images(table: Table, salts: SaltRange) -> Iterator[StoredImage]:
    """Yield the images of some salts, in the order of their rows.

    Raises
    ------
    DataError
        A row is not of an image, or its image is not whole.
    """
    for row, cells in scan_rows(table, salts):
        key = image_key(row)
        encoded = whole_image(table, row, cells)
        batch = cells.get(BATCH)
        yield StoredImage(key, batch.decode("ascii", "replace") if batch else None, encoded)


def scan_rows(table: Table, salts: SaltRange) -> Iterator[Row]:
    """Yield the rows of some salts, with the columns of small images."""
    only = batch_filter(salts.batch) if salts.batch else None
    return table.scan(salts.start, salts.stop, IMAGE_COLUMNS, only)


def whole_image(table: Table, row: bytes, cells: Cells) -> bytes:
    """Return the image of a row whose IMAGE_COLUMNS were read; the parts of a large one are got.

    Raises
    ------
    DataError
        There is none, or a part is missing.
    """
    if DATA in cells:
        return cells[DATA]
    told = cells.get(N_PARTS, b"")
    if not told.isdigit():
        raise DataError(f"the row {row!r} of table {table.address.table} holds no image")
    columns = [part_column(number) for number in range(int(told))]
    parts: list[bytes] = []
    for first in range(0, len(columns), _PARTS_A_GET):
        asked = columns[first : first + _PARTS_A_GET]
        found = table.rows([row], asked).get(row, {})
        if missing := [column.decode() for column in asked if column not in found]:
            raise DataError(f"the row {row!r} of table {table.address.table} lacks {missing[0]}")
        parts += [found[column] for column in asked]
    return b"".join(parts)


class AuditedRow(NamedTuple):
    """A row that was read again: its image; or None, and what is wrong with it."""

    place: str
    image: Stored | None
    problem: str


def audited(table: Table, salts: SaltRange) -> Iterator[AuditedRow]:
    """Yield every row of some salts with what is stored of its image, whatever there is of it."""
    for row, cells in scan_rows(table, salts):
        batch = cells.get(BATCH, b"").decode("ascii", "replace")
        place = f"{batch if batch.isdecimal() else NO_BATCH}-{row[:2].decode('ascii', 'replace')}"
        try:
            key = image_key(row)
            encoded = whole_image(table, row, cells)
        except DataError as error:
            yield AuditedRow(f"{place}.hbase", None, " ".join(str(error).split()))
            continue
        sha256 = hashlib.sha256(encoded).hexdigest()
        yield AuditedRow(f"{place}.hbase", Stored(key, None, len(encoded), sha256), "")


class RowWriter:
    """Puts rows a few MB a request.

    `put` and `flush` return how many rows are known to be stored by them; putting the same again
    changes nothing.
    """

    def __init__(self, table: Table) -> None:
        self._table = table
        self._held: list[Row] = []
        self._held_bytes = 0

    def put_image(self, key: str, encoded: bytes, batch: str) -> int:
        """Put an image with its batch; a large one in parts, and what says so as the last."""
        row, cells = row_key(key), {BATCH: batch.encode()}
        if len(encoded) <= PART_BYTES:
            return self._put(row, cells | {DATA: encoded})
        starts = range(0, len(encoded), PART_BYTES)
        for number, start in enumerate(starts):
            part = encoded[start : start + PART_BYTES]
            self._table.put([(row, {part_column(number): part})])
        return self._put(row, cells | {N_PARTS: b"%d" % len(starts)})

    def put(self, key: str, cells: Cells) -> int:
        """Put cells into the row of an image."""
        return self._put(row_key(key), cells)

    def _put(self, row: bytes, cells: Cells) -> int:
        self._held.append((row, cells))
        self._held_bytes += sum(map(len, cells.values()))
        if self._held_bytes >= _PUT_BYTES or len(self._held) >= _PUT_ROWS:
            return self.flush()
        return 0

    def close(self) -> None:
        """End the connection; what is held and not put is lost."""
        self._table.close()

    def flush(self) -> int:
        """Put what is held."""
        n_rows = len(self._held)
        if n_rows:
            self._table.put(self._held)
        self._held, self._held_bytes = [], 0
        return n_rows

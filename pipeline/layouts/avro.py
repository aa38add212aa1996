"""Find the events in the Avro files that Flume writes, and where the body of each is.

Only what Flume's serializer `avro_event` makes is read: records of a map of texts and a body, not
compressed, so that a body is one range of the file.

Source: the Avro 1.11 specification, "Object Container Files" and "Binary Encoding".
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from mr_jobs.lib.errors import DataError

_MAGIC = b"Obj\x01"
_SYNC_BYTES = 16
_MAX_TEXT_BYTES = 1 << 16  # of a header's name or value
_MAX_HEADERS = 64
_MAX_BLOCK_BYTES = 1 << 30
_FIELDS = [("headers", {"type": "map", "values": "string"}), ("body", "bytes")]


class Event(NamedTuple):
    """An event: its headers, and the range of the file that is its body."""

    headers: dict[str, str]
    offset: int
    size: int


class _Damage(Exception):
    """The bytes at hand are not what the format wants; the message says what."""


def is_event_file(file: BinaryIO, *, cut: bool = False) -> bool:
    """Say whether a file begins as Flume's do; with `cut`, also one that ends in its head."""
    try:
        _read_header(_Cursor(file))
    except EOFError:
        return cut
    except _Damage:
        return False
    return True


def events(file: BinaryIO, name: str, *, cut: bool = False) -> Iterator[Event]:
    """Yield the events of a file, in order, in constant memory.

    Parameters
    ----------
    file : seekable binary file; may be moved between two events.
    name : what messages call it.
    cut : its writer was killed: what comes after the last whole block was never acknowledged, and
        is left out; the file may even end in its head, or be empty.

    Raises
    ------
    DataError
        If the file is not of that kind, is damaged, or ends in the middle of a block.
    """
    cursor = _Cursor(file)
    try:
        try:
            sync = _read_header(cursor)
        except EOFError:
            if cut:
                return
            raise
        while cursor.at < cursor.end:
            try:
                count, block_end = _block(cursor, sync)
            except (EOFError, _Damage):
                if cut:
                    return
                raise
            for _ in range(count):
                event = _event(cursor, block_end)
                yield event
                cursor.at = event.offset + event.size
            if cursor.at != block_end:
                raise _Damage("a block holds more than its events")
            cursor.at = block_end + _SYNC_BYTES
    except (_Damage, EOFError) as error:
        what = str(error) or "ends in the middle of a block"
        raise DataError(
            f"{name}: not an Avro file of Flume's, or damaged: {what} (byte {cursor.at})"
        ) from error


class _Cursor:
    """A place in a file; reads past the end are an EOFError."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.end = file.seek(0, 2)
        self.at = 0

    def take(self, n_bytes: int) -> bytes:
        """Read exactly so many bytes."""
        self._file.seek(self.at)
        found = self._file.read(n_bytes)
        if len(found) != n_bytes:
            raise EOFError
        self.at += n_bytes
        return found

    def number(self) -> int:
        """Read a number: zigzag, seven bits a byte, the lowest first."""
        value = 0
        for shift in range(0, 70, 7):
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return (value >> 1) ^ -(value & 1)
        raise _Damage("a number of more than ten bytes")

    def length(self, limit: int) -> int:
        """Read a number of bytes."""
        found = self.number()
        if not 0 <= found <= limit:
            raise _Damage(f"a length of {found}")
        return found

    def text(self) -> str:
        """Read a text; what is not UTF-8 becomes surrogates, as in names of files."""
        return self.take(self.length(_MAX_TEXT_BYTES)).decode("utf-8", "surrogateescape")

    def texts(self) -> dict[str, str]:
        """Read a map of texts: blocks of entries, the last one empty."""
        found: dict[str, str] = {}
        while count := self.number():
            if count < 0:  # then the block's size in bytes follows
                count = -count
                self.number()
            if len(found) + count > _MAX_HEADERS:
                raise _Damage(f"a map of over {_MAX_HEADERS} texts")
            for _ in range(count):
                key = self.text()
                found[key] = self.text()
        return found


def _read_header(cursor: _Cursor) -> bytes:
    """Read the head of a file; return its sync marker."""
    if cursor.take(len(_MAGIC)) != _MAGIC:
        raise _Damage("it does not begin with Obj")
    meta = cursor.texts()
    try:
        schema = json.loads(meta.get("avro.schema", ""))
        fields = [(field["name"], field["type"]) for field in schema["fields"]]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise _Damage("its schema cannot be read") from error
    if fields != _FIELDS:
        raise _Damage("its records are not headers and a body")
    if meta.get("avro.codec", "null") != "null":
        raise _Damage(f"it is compressed ({meta['avro.codec']})")
    return cursor.take(_SYNC_BYTES)


def _block(cursor: _Cursor, sync: bytes) -> tuple[int, int]:
    """Read a block's head, and see that the block is whole; return its count and its end."""
    start = cursor.at
    count, size = cursor.length(_MAX_BLOCK_BYTES), cursor.length(_MAX_BLOCK_BYTES)
    data = cursor.at
    cursor.at = data + size
    try:
        if cursor.take(_SYNC_BYTES) != sync:
            raise _Damage("a block does not end with the file's marker")
    except (EOFError, _Damage):
        cursor.at = start
        raise
    cursor.at = data
    return count, data + size


def _event(cursor: _Cursor, block_end: int) -> Event:
    headers = cursor.texts()
    size = cursor.length(_MAX_BLOCK_BYTES)
    if cursor.at + size > block_end:
        raise _Damage("an event is longer than its block")
    return Event(headers, cursor.at, size)

r"""Read and write Hadoop SequenceFiles (version 6) with the standard library only.

A bundle is such a file: key = `ImageKey`, value = the encoded image, uncompressed (JPEG does not
compress). Hadoop, Spark and this module read each other's files.

Format and split rule: org.apache.hadoop.io.SequenceFile and
org.apache.hadoop.mapred.SequenceFileRecordReader, Hadoop 3.4.2.

>>> import io
>>> file = io.BytesIO()
>>> with Writer(file, key_class="Text") as writer:
...     offset = writer.append("train/n01440764/a.JPEG", b"\xff\xd8")
>>> reader = Reader(file)
>>> [(record.key, record.value) for record in reader.records()]
[('train/n01440764/a.JPEG', b'\xff\xd8')]
>>> reader.read_at(offset).length
37
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO

from mr_jobs.lib.errors import BundleError, DataError
from mr_jobs.lib.sequencefile_format import CODECS, ESCAPE, SYNC_BYTES, HeaderReader, Source
from mr_jobs.lib.sequencefile_plain import Record, plain_records
from mr_jobs.lib.sequencefile_writer import Writer
from mr_jobs.lib.writables import ALL_WRITABLES, Value, check_bytes_length, decode_vint

__all__ = ["Reader", "Record", "Value", "Writer", "open_reader"]

OnDamage = Callable[[BundleError], None]
_HEAD = struct.Struct(">ii")  # record length, key length
_MARKER_BYTES = len(ESCAPE) + SYNC_BYTES
_BUFFER_BYTES = 1 << 17  # an image or two: fewer reads, and little is copied twice
_OBJECT_BYTES = 256  # about what a key, a value and a Record cost Python in memory


class Reader:
    """Read a SequenceFile; not for use by two threads at once.

    Parameters
    ----------
    file : seekable, buffered binary file; not closed.
    name : what error messages call it; by default the file's own name.
    max_bytes : the longest record, or inflated block buffer, that is believed: by default 128 MiB.

    Attributes
    ----------
    key_class, value_class : short names, `BytesWritable`.
    compression : none, record or block.
    codec : default, deflate, gzip, bzip2, or None when nothing is compressed.
    metadata : the header's texts.
    sync : the 16 bytes of the file's sync marker.
    header_length : offset of the first record, in bytes.

    Raises
    ------
    BundleError when the header is damaged or cut off, of another version, class or codec.
    """

    def __init__(self, file: BinaryIO, name: str = "", *, max_bytes: int = 1 << 27) -> None:
        self._source = Source(file, name)
        self._max_bytes = max_bytes
        header_reader = HeaderReader(self._source)
        header = header_reader.read()
        self.header_length = header_reader.position
        self.key_class = header.key_class
        self.value_class = header.value_class
        self.compression = header.compression
        self.codec = header.codec
        self.metadata = header.metadata
        self.sync = header.sync
        self._decode_key = ALL_WRITABLES[header.key_class].decode
        self._decode_value = ALL_WRITABLES[header.value_class].decode
        self._marker = ESCAPE + header.sync
        self._plain_bytes = header.codec is None and header.value_class == "BytesWritable"
        self._fast = partial(plain_records, self._source, self._marker, self._decode_key, max_bytes)
        self._read_item = self._read_block if header.compression == "block" else self._read_record

    def records(
        self, start: int = 0, end: int | None = None, *, on_damage: OnDamage | None = None
    ) -> Iterator[Record]:
        """Read the records of the input split [start, end) of the file, by Hadoop's rule.

        It begins at the first sync marker at or after `start` (at the first record when `start`
        lies in the header) and stops before the first sync marker at or after `end`, so that
        adjoining splits give every record exactly once.

        Parameters
        ----------
        start, end : offsets in bytes; `end` None for the end of the file.
        on_damage : is given the error of a damaged region; reading then goes on at the next
            intact sync marker. Records between are lost. Without it the error is raised.

        Raises
        ------
        BundleError when a record is damaged or cut off and there is no `on_damage`.
        """
        return self._run(start, end, on_damage, with_values=True)

    def keys(
        self, start: int = 0, end: int | None = None, *, on_damage: OnDamage | None = None
    ) -> Iterator[Record]:
        """Read like `records`, but skip the values unread: each is None."""
        return self._run(start, end, on_damage, with_values=False)

    def read_at(self, offset: int) -> Record:
        """Read the record at the offset that a `Record` or `Writer.append` gave.

        With block compression it is the first record of the block. Raises BundleError when no
        intact record lies there.
        """
        if offset >= self.header_length and (
            found := self._read_item(offset, self._source.size, with_values=True)
        ):
            return found[0]
        raise BundleError("no record", self._source.name, offset)

    def next_sync(self, position: int) -> int:
        """Return the offset of the first sync marker at or after `position`.

        It is that of the first record when `position` lies in the header, and the file's size
        when no marker follows.
        """
        if position <= self.header_length:
            return self.header_length
        return self._source.find(self._marker, position)

    def _run(
        self, start: int, end: int | None, on_damage: OnDamage | None, *, with_values: bool
    ) -> Iterator[Record]:
        stop = self._source.size if end is None else min(end, self._source.size)
        position = self.next_sync(start) if start < stop else stop
        if position >= stop:
            return
        plain = self._plain_bytes and with_values
        while True:
            if plain:
                position = yield from self._fast(position, stop)
            try:
                found = self._read_item(position, stop, with_values=with_values)
            except BundleError as error:
                if on_damage is None:
                    raise
                on_damage(error)
                position = self.next_sync(max(position, error.offset) + 1)  # behind any markers
                if position >= stop:
                    return
                continue
            if not found:
                return
            yield from found
            position = found[0].offset + found[0].length

    def _pass_markers(self, position: int, stop: int) -> int | None:
        """Go past the sync markers at `position`; None when the records end here."""
        source = self._source
        while position < source.size:
            if source.read(position, min(4, source.size - position), "record") != ESCAPE:
                return position
            if source.read(position, _MARKER_BYTES, "sync marker") != self._marker:
                raise self._error("sync marker differs from the header's", position)
            if position >= stop:
                return None
            position += _MARKER_BYTES
        return None

    def _read_record(self, position: int, stop: int, *, with_values: bool) -> Sequence[Record]:
        """Read the record at `position`, behind any markers; nothing when the split ends."""
        source = self._source
        if position >= source.size:
            return ()
        head = source.read(position, 8, "head of a record")
        if head[:4] == ESCAPE:
            behind = self._pass_markers(position, stop)
            if behind is None:
                return ()
            position = behind
            head = source.read(position, 8, "head of a record")
        length, key_length = _HEAD.unpack(head)
        if not 0 <= key_length <= length <= self._max_bytes:
            raise self._error(
                f"damaged record head (length {length}, key length {key_length})", position
            )
        if length > source.size - position - 8:
            left = source.size - position - 8
            raise self._error(f"record of {length} bytes is cut off after {left}", position)
        try:
            key, value = self._read_pair(position + 8, length, key_length, with_values)
        except DataError as error:
            raise self._error(str(error), position) from error
        return (Record(key, value, position, length + 8),)

    def _read_pair(
        self, start: int, length: int, key_length: int, with_values: bool
    ) -> tuple[Value, Value]:
        """Read key and value; a plain BytesWritable value without copying it."""
        source = self._source
        if not self._plain_bytes:
            key = self._decode_key(source.read(start, key_length, "key"))
            if not with_values:
                return key, None
            value = source.read(start + key_length, length - key_length, "value")
            if self.codec:
                value = CODECS[self.codec].inflate(value, self._max_bytes)
            return key, self._decode_value(value)
        data = source.read(start, min(length, key_length + 4), "key")
        check_bytes_length(data[key_length:], length - key_length)
        key = self._decode_key(data[:key_length])
        if not with_values:
            return key, None
        return key, source.read(start + key_length + 4, length - key_length - 4, "value")

    def _read_block(self, position: int, stop: int, *, with_values: bool) -> Sequence[Record]:
        """Read the block whose marker is at `position`; nothing when the split ends before it."""
        start = self._pass_markers(position, stop)
        if start is None:
            return ()
        marker = start - _MARKER_BYTES
        if marker < position:
            raise self._error("no sync marker where a block begins", position)
        try:
            n_records, at = self._source.read_vint(start, "record count of a block")
            keys, at = self._read_fields(at, n_records, self._decode_key)
            values: list[Value] = [None] * n_records
            if with_values:
                values, at = self._read_fields(at, n_records, self._decode_value)
            else:
                _, at = self._buffer_bounds(self._buffer_bounds(at)[1])
        except DataError as error:
            what = error.what if isinstance(error, BundleError) else str(error)
            raise self._error(f"block: {what}", marker) from error
        length = at - marker
        return [Record(*pair, marker, length) for pair in zip(keys, values, strict=True)]

    def _read_fields(
        self, position: int, n_records: int, decode: Callable[[bytes], Value]
    ) -> tuple[list[Value], int]:
        """Read a block's keys, or values: a buffer of their lengths and one of their bytes."""
        lengths, position = self._read_buffer(position)
        data, position = self._read_buffer(position)
        if not 0 < n_records <= min(len(lengths), self._max_bytes // _OBJECT_BYTES):
            raise DataError(f"{n_records} records with {len(lengths)} bytes of lengths")
        fields: list[Value] = []
        at = begin = 0
        for _ in range(n_records):
            length, at = decode_vint(lengths, at)
            if not 0 <= length <= len(data) - begin:
                raise DataError(f"field of {length} bytes where {len(data) - begin} are left")
            fields.append(decode(data[begin : begin + length]))
            begin += length
        if begin != len(data) or at != len(lengths):
            raise DataError("its lengths do not add up")
        return fields, position

    def _read_buffer(self, position: int) -> tuple[bytes, int]:
        """Read and inflate one buffer of a block; return it and the position behind it."""
        start, end = self._buffer_bounds(position)
        if end - start > self._max_bytes:
            raise DataError(f"buffer of {end - start} bytes")
        data = self._source.read(start, end - start, "buffer")
        return CODECS[self.codec or "default"].inflate(data, self._max_bytes), end

    def _buffer_bounds(self, position: int) -> tuple[int, int]:
        """Return where the data of the buffer at `position`, behind its length, begin and end."""
        length, start = self._source.read_vint(position, "length of a buffer")
        if not 0 <= length <= self._source.size - start:
            raise DataError(f"buffer of {length} bytes where {self._source.size - start} are left")
        return start, start + length

    def _error(self, what: str, offset: int) -> BundleError:
        return BundleError(what, self._source.name, offset)


@contextmanager
def open_reader(path: Path) -> Iterator[Reader]:
    """Open a SequenceFile for reading, and close it at the end of the `with` block.

    Raises
    ------
    BundleError as `Reader` does; OSError when the file cannot be opened.
    """
    with path.open("rb", buffering=_BUFFER_BYTES) as file:
        yield Reader(file, str(path))

"""Records of a SequenceFile, and the fast way to uncompressed ones that are whole."""

from __future__ import annotations

import struct
from collections.abc import Callable, Generator
from typing import NamedTuple

from mr_jobs.lib.errors import DataError
from mr_jobs.lib.sequencefile_format import ESCAPE, Source
from mr_jobs.lib.writables import Value

_HEAD = struct.Struct(">ii")  # record length, key length
_LENGTH = struct.Struct(">i")  # of a BytesWritable


class Record(NamedTuple):
    """A record: its key, its value and where it lies.

    Attributes
    ----------
    key, value : bytes, str, int or None by class; the value is None when only keys are read.
    offset : where `Reader.read_at` can start; with block compression that of its block.
    length : bytes in the file with the 8 of its head; with block compression of its block.
    """

    key: Value
    value: Value
    offset: int
    length: int


def plain_records(
    source: Source,
    marker: bytes,
    decode_key: Callable[[bytes], Value],
    max_bytes: int,
    position: int,
    stop: int,
) -> Generator[Record, None, int]:
    """Yield the records from `position` on, their values uncompressed BytesWritables.

    It stops before what is not a whole record behind at most one sync marker before `stop`: the
    end, damage, more markers. Nothing is judged here; `Reader` does that, with care.

    Returns
    -------
    The position at which it stopped.
    """
    file, size = source.file, source.size
    read = file.read
    while position + 8 <= size:
        if source.position != position:  # at first, and when the reader was used for something else
            file.seek(position)
        source.position = -1  # until the record is read
        at = position
        head = read(8)
        if head[:4] == ESCAPE:
            if at >= stop or head + read(len(marker) - 8) != marker:
                break
            at += len(marker)
            head = read(8)
        if len(head) < 8:
            break
        length, key_length = _HEAD.unpack(head)
        value_length = length - key_length - 4
        if key_length < 0 or value_length < 0 or length > max_bytes or length > size - at - 8:
            break
        begin = read(key_length + 4)
        value = read(value_length)
        if len(value) != value_length or begin[key_length:] != _LENGTH.pack(value_length):
            break
        try:
            key = decode_key(begin[:key_length])
        except DataError:
            break
        source.position = position = at + 8 + length
        yield Record(key, value, at, length + 8)
    return position

"""Hadoop streaming's typed bytes, as far as bundles need them: byte strings and text.

Source: the javadoc of the package org.apache.hadoop.typedbytes: one byte of type code (0 bytes,
7 UTF-8 text), four bytes of length, big-endian, and the content.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

from mr_jobs.lib.errors import DataError

_HEAD = struct.Struct(">Bi")
_BYTES, _TEXT = 0, 7


def read_pairs(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    r"""Yield the (key, value) pairs of a stream of typed bytes until it ends.

    >>> import io
    >>> list(read_pairs(io.BytesIO(b"\x07\0\0\0\x01k\x00\0\0\0\x02vv")))
    [(b'k', b'vv')]
    """
    while (key := _read_value(file)) is not None:
        value = _read_value(file)
        if value is None:
            raise DataError("the stream of typed bytes ends between a key and its value")
        yield key, value


def _read_value(file: BinaryIO) -> bytes | None:
    head = file.read(_HEAD.size)
    if not head:
        return None
    if len(head) < _HEAD.size:
        raise DataError("the stream of typed bytes ends inside a value")
    code, length = _HEAD.unpack(head)
    if code not in (_BYTES, _TEXT) or length < 0:
        raise DataError(f"typed bytes of code {code} and length {length} are not bytes or text")
    content = file.read(length)
    if len(content) < length:
        raise DataError("the stream of typed bytes ends inside a value")
    return content

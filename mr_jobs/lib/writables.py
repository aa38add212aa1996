"""Serialise and parse the Hadoop Writables that bundles use as keys and values.

Formats: the `write` and `readFields` methods of org.apache.hadoop.io.{Text, BytesWritable,
NullWritable, IntWritable, LongWritable} and WritableUtils.writeVInt, Hadoop 3.4.2.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from mr_jobs.lib.errors import DataError

Value = bytes | str | int | None
MAX_INT = 2**31 - 1  # Java counts bytes in a signed 32-bit int


class Writable(NamedTuple):
    """A Writable class: its short name and how its values become bytes and come back.

    Attributes
    ----------
    name : class name without its package, `Text`.
    encode : value -> (prefix, body); in two parts so that a large body need not be copied. Raises
        TypeError for a value of another type and OverflowError for an int that does not fit:
        these are mistakes of the caller; DataError for a str that is not valid Unicode.
    decode : bytes -> value; raises DataError when the bytes are not exactly one serialised value.
    package : where its Java class is.
    """

    name: str
    encode: Callable[[Value], tuple[bytes, bytes]]
    decode: Callable[[bytes], Value]
    package: str = "org.apache.hadoop.io"

    @property
    def java_name(self) -> str:
        """The full Java class name."""
        return f"{self.package}.{self.name}"


def encode_vint(number: int) -> bytes:
    """Encode an integer as Hadoop's variable-length int: 1 byte for -112..127, else up to 9.

    >>> encode_vint(127).hex(), encode_vint(128).hex(), encode_vint(-113).hex()
    ('7f', '8f80', '8770')
    """
    if -112 <= number <= 127:
        return number.to_bytes(1, "big", signed=True)
    magnitude, first = (number, -112) if number >= 0 else (~number, -120)
    n_bytes = (magnitude.bit_length() + 7) // 8
    return (first - n_bytes).to_bytes(1, "big", signed=True) + magnitude.to_bytes(n_bytes, "big")


def decode_vint(data: bytes, offset: int = 0) -> tuple[int, int]:
    """Decode the variable-length int at `offset`; return it and the offset behind it.

    Raises DataError when the bytes end before the number does.

    >>> decode_vint(bytes.fromhex("8f80"))
    (128, 2)
    """
    first = data[offset] if offset < len(data) else None
    if first is None:
        raise DataError("variable-length int is cut off")
    if first < 128 or first >= 144:  # -112..127 stand for themselves
        return first - 256 * (first > 127), offset + 1
    negative = first < 136
    end = offset + 1 + (136 if negative else 144) - first
    if end > len(data):
        raise DataError("variable-length int is cut off")
    magnitude = int.from_bytes(data[offset + 1 : end], "big")
    return ~magnitude if negative else magnitude, end


def _encode_text(value: Value) -> tuple[bytes, bytes]:
    if not isinstance(value, str):
        raise TypeError(f"Text takes a str, not {type(value).__name__}")
    try:
        body = value.encode()
    except UnicodeEncodeError as error:
        raise DataError(f"Text {value!r} is not valid Unicode") from error
    return encode_vint(len(body)), body


def _decode_text(data: bytes) -> str:
    length, start = decode_vint(data)
    if length != len(data) - start:
        raise DataError(f"Text claims {length} bytes of {len(data) - start}")
    try:
        return data[start:].decode()
    except UnicodeDecodeError as error:
        raise DataError("Text is not valid UTF-8") from error


def _encode_bytes(value: Value) -> tuple[bytes, bytes]:
    if not isinstance(value, bytes):
        raise TypeError(f"BytesWritable takes bytes, not {type(value).__name__}")
    return len(value).to_bytes(4, "big"), value


def check_bytes_length(prefix: bytes, length: int) -> None:
    """Check a BytesWritable's own length, its first 4 bytes, against its `length` in the record.

    Raises DataError when they differ.
    """
    if int.from_bytes(prefix, "big", signed=True) != length - 4 or length < 4:
        claimed = int.from_bytes(prefix, "big", signed=True)
        raise DataError(f"BytesWritable claims {claimed} bytes in a field of {length}")


def _decode_bytes(data: bytes) -> bytes:
    check_bytes_length(data[:4], len(data))
    return data[4:]


def _encode_null(value: Value) -> tuple[bytes, bytes]:
    if value is not None:
        raise TypeError(f"NullWritable takes None, not {type(value).__name__}")
    return b"", b""


def _decode_null(data: bytes) -> None:
    if data:
        raise DataError(f"NullWritable of {len(data)} bytes instead of 0")


def _int_writable(name: str, n_bytes: int) -> Writable:
    def encode(value: Value) -> tuple[bytes, bytes]:
        if not isinstance(value, int):
            raise TypeError(f"{name} takes an int, not {type(value).__name__}")
        return b"", value.to_bytes(n_bytes, "big", signed=True)

    def decode(data: bytes) -> int:
        if len(data) != n_bytes:
            raise DataError(f"{name} of {len(data)} bytes instead of {n_bytes}")
        return int.from_bytes(data, "big", signed=True)

    return Writable(name, encode, decode)


WRITABLES = {
    writable.name: writable
    for writable in (
        Writable("Text", _encode_text, _decode_text),
        Writable("BytesWritable", _encode_bytes, _decode_bytes),
        Writable("NullWritable", _encode_null, _decode_null),
        _int_writable("IntWritable", 4),
        _int_writable("LongWritable", 8),
    )
}


def _serialised(package: str, name: str) -> Writable:
    """Return a class whose values are passed as the bytes that its own `write` makes."""

    def encode(value: Value) -> tuple[bytes, bytes]:
        if not isinstance(value, bytes):
            raise TypeError(f"{name} takes its serialised bytes, not {type(value).__name__}")
        return b"", value

    return Writable(name, encode, lambda data: data, package)


# What Mahout reads and writes; what is in the bytes: `mr_jobs.lib.vector_writable`.
_MAHOUT = (
    _serialised("org.apache.mahout.math", "VectorWritable"),
    _serialised("org.apache.mahout.clustering.kmeans", "Kluster"),
    _serialised("org.apache.mahout.clustering.iterator", "ClusterWritable"),
)
ALL_WRITABLES = WRITABLES | {writable.name: writable for writable in _MAHOUT}

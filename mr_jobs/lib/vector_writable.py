"""Mahout's vectors and clusters in their binary form, as its MapReduce jobs read and write them.

Formats: the `write` and `readFields` methods of org.apache.mahout.math.{VectorWritable, Varint} and
org.apache.mahout.clustering.{AbstractCluster, iterator.DistanceMeasureCluster,
iterator.ClusterWritable, kmeans.Kluster}, Mahout 0.13.0.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mr_jobs.lib.errors import DataError

Vector = NDArray[np.float64]
_DENSE, _SEQUENTIAL, _NAMED, _SINGLE = 1, 2, 4, 8  # FLAG_…; FLAG_LAX_PRECISION is single
_FLAGS = 16
_MAX_SIZE = 1 << 27  # of a vector: a GiB; a damaged length is not believed
MEASURE = "org.apache.mahout.common.distance.SquaredEuclideanDistanceMeasure"
_KLUSTER = "org.apache.mahout.clustering.kmeans.Kluster"


class Cluster(NamedTuple):
    """A cluster of k-means: its number, how many points made its centre, float64 of shape (d,)."""

    number: int
    n_points: int
    centre: Vector


def encode_varint(number: int) -> bytes:
    """Encode an int of 0 or more, 7 bits a byte, the lowest first: Varint.writeUnsignedVarInt.

    >>> encode_varint(127).hex(), encode_varint(300).hex()
    ('7f', 'ac02')
    """
    encoded = bytearray()
    while number > 127:
        encoded.append(number & 127 | 128)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def decode_varint(data: bytes, offset: int = 0) -> tuple[int, int]:
    """Decode what `encode_varint` wrote; return the int and the offset behind it.

    Raises
    ------
    DataError
        The bytes end before the int does, or it is of more than 32 bits.
    """
    number = 0
    for place, byte in enumerate(data[offset : offset + 5]):
        number |= (byte & 127) << (7 * place)
        if byte < 128:
            return number, offset + place + 1
    raise DataError("variable-length int of a vector is cut off, or too long")


def encode_vectors(rows: NDArray[np.floating[Any]]) -> Iterator[bytes]:
    """Encode the rows of a matrix as dense VectorWritables.

    Parameters
    ----------
    rows : float32 or float64 of shape (n, d). Single ones stay single, in half the bytes: Mahout
        makes doubles of them, which are equal.

    Yields
    ------
    The bytes of one vector.
    """
    single = rows.dtype == np.float32
    flags = _DENSE | _SEQUENTIAL | (_SINGLE if single else 0)  # as Mahout writes its own
    head = bytes([flags]) + encode_varint(rows.shape[1])
    for row in np.ascontiguousarray(rows, ">f4" if single else ">f8"):
        yield head + row.tobytes()


def decode_vector(data: bytes) -> Vector:
    """Decode a VectorWritable: float64 of shape (d,), whatever Mahout's kind of vector.

    Raises
    ------
    DataError
        The bytes are not exactly one vector.
    """
    vector, end = _take_vector(data, 0)
    if end != len(data):
        raise DataError(f"a vector of {end} bytes in a field of {len(data)}")
    return vector


def encode_kluster(cluster: Cluster) -> bytes:
    """Encode a cluster that k-means can start from: a Kluster by squared Euclidean distance."""
    centre, nothing = encode_vectors(np.stack([cluster.centre, np.zeros_like(cluster.centre)]))
    counts = struct.pack(">iqq", cluster.number, cluster.n_points, cluster.n_points)
    sums = struct.pack(">d", 0.0) + nothing + nothing
    return _encode_utf(MEASURE) + counts + centre + nothing + sums + b"\0"  # not converged


def decode_cluster(data: bytes) -> Cluster:
    """Decode a ClusterWritable that holds a Kluster, as k-means leaves them.

    Raises
    ------
    DataError
        It holds something else.
    """
    kind, at = _take_utf(data, 0)
    if kind != _KLUSTER:
        raise DataError(f"a cluster of the class {kind[:100]!r}, not {_KLUSTER}")
    _, at = _take_utf(data, at)  # the distance measure
    number, n_points, _ = struct.unpack(">iqq", _take(data, at, 20))
    centre, _ = _take_vector(data, at + 20)
    return Cluster(number, n_points, centre)


def _take_vector(data: bytes, at: int) -> tuple[Vector, int]:
    """Read a vector at an offset; return it and the offset behind it."""
    flags = _take(data, at, 1)[0]
    if flags >= _FLAGS:
        raise DataError(f"not a vector: unknown flags {flags:#x}")
    size, at = decode_varint(data, at + 1)
    if size > _MAX_SIZE:
        raise DataError(f"a vector of {size} numbers is longer than {_MAX_SIZE}")
    dtype = np.dtype(">f4" if flags & _SINGLE else ">f8")
    if flags & _DENSE:
        body = _take(data, at, size * dtype.itemsize)
        vector, at = np.frombuffer(body, dtype).astype(np.float64), at + len(body)
    else:
        vector, at = _take_sparse(data, at, size, dtype, deltas=bool(flags & _SEQUENTIAL))
    if flags & _NAMED:
        _, at = _take_utf(data, at)
    return vector, at


def _take_sparse(
    data: bytes, at: int, size: int, dtype: np.dtype[Any], *, deltas: bool
) -> tuple[Vector, int]:
    """Read the numbers that are not zero, each with its index, or with the step to it."""
    vector = np.zeros(size)
    n_numbers, at = decode_varint(data, at)
    index = 0
    for _ in range(n_numbers):
        found, at = decode_varint(data, at)
        index = index + found if deltas else found
        if index >= size:
            raise DataError(f"the index {index} is behind a vector of {size} numbers")
        vector[index] = np.frombuffer(_take(data, at, dtype.itemsize), dtype)[0]
        at += dtype.itemsize
    return vector, at


def _encode_utf(text: str) -> bytes:
    """Encode an ASCII text as DataOutput.writeUTF does."""
    return len(text).to_bytes(2, "big") + text.encode("ascii")


def _take_utf(data: bytes, at: int) -> tuple[str, int]:
    length = int.from_bytes(_take(data, at, 2), "big")
    body = _take(data, at + 2, length)
    return body.decode("utf-8", "replace"), at + 2 + length


def _take(data: bytes, at: int, n_bytes: int) -> bytes:
    if at + n_bytes > len(data):
        raise DataError(f"{n_bytes} bytes of a vector or cluster are cut off after {len(data)}")
    return data[at : at + n_bytes]

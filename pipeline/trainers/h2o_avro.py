"""Write vectors as Avro, the binary format that H2O reads in parallel and with its types.

Avro's encoding of a record of floats is their little-endian bytes, one after another: the value of
a shard's record, as it is. So nothing is converted, and one block is in memory.

Format: Apache Avro 1.11 specification, "Object Container Files" and "Binary Encoding".

`water.parser.avro.AvroParser` of H2O 3.46 takes the length of the first block for its chunks, reads
exactly the one block that begins in each, and passes over what it cannot read without a word. All
rows have the same length here, so that all blocks have, but for the last one, which is shorter:
one begins in every chunk, since the header is shorter than a block. Who reads a frame counts rows.
"""

from __future__ import annotations

import json
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from mr_jobs.lib.errors import DataError

BLOCK_BYTES = 2 << 20  # H2O looks at the first 4 MiB of a file to know it: header and a block
MOST_FEATURES = 20_000  # a column costs H2O about 100 bytes in each chunk, whatever is in it
SYNC = b"images on hadoop"  # 16 bytes; the same records make the same file
_MAGIC = b"Obj\x01"


class VectorWriter:
    """Write vectors with some whole numbers each as an Avro file.

    Parameters
    ----------
    file : binary file of which only `write` is used; not closed.
    integers : names of the columns of whole numbers below 2²⁴, which come before the values `f0`,
        `f1`, ….
    n_features : length of every vector.
    block_bytes : a block is ended when it has so many bytes.

    Attributes
    ----------
    n_rows : how many vectors were written.

    Raises
    ------
    DataError
        More than `MOST_FEATURES`; or, from `append`, a vector of another length, or one that is
        not finite.
    """

    def __init__(
        self,
        file: BinaryIO,
        integers: list[str],
        n_features: int,
        block_bytes: int = BLOCK_BYTES,
    ) -> None:
        if n_features > MOST_FEATURES:
            raise DataError(
                f"vectors of {n_features} values are too long for H2O, which keeps each column by "
                f"itself (at most {MOST_FEATURES} here); choose fewer in pipeline.toml, [features]"
            )
        self._file = file
        self._n_features = n_features
        self._block_bytes = block_bytes
        self._block = bytearray()
        self._n_in_block = 0
        self.n_rows = 0
        file.write(header(integers, n_features))

    def append(self, integers: list[int], vector: NDArray[np.float32], name: object) -> None:
        """Add a row; `vector` is float32 of shape (n_features,), `name` what an error calls it."""
        if vector.shape != (self._n_features,):
            raise DataError(
                f"shards: the vector of {name} has {vector.size} numbers where the first has "
                f"{self._n_features}; extract the features of all images with the same parameters"
            )
        if not np.isfinite(vector).all():
            raise DataError(
                f"shards: the vector of {name} holds NaN or infinity; extract the features anew"
            )
        self._block += np.array(integers, "<f4").tobytes()
        self._block += vector.astype("<f4", copy=False).tobytes()
        self._n_in_block += 1
        self.n_rows += 1
        if len(self._block) >= self._block_bytes:
            self._end_block()

    def end(self) -> None:
        """Write what is left; without it the file lacks its last rows."""
        self._end_block()

    def _end_block(self) -> None:
        if self._n_in_block:
            self._file.write(encode_long(self._n_in_block) + encode_long(len(self._block)))
            self._file.write(self._block)
            self._file.write(SYNC)
        self._block.clear()
        self._n_in_block = 0


def header(integers: list[str], n_features: int) -> bytes:
    """Return the beginning of a file: what its columns are called, and how its blocks end."""
    names = [*integers, *feature_names(n_features)]
    fields = [{"name": name, "type": "float"} for name in names]
    schema = json.dumps(
        {"type": "record", "name": "image", "fields": fields}, separators=(",", ":")
    ).encode()
    metadata = {b"avro.schema": schema, b"avro.codec": b"null"}
    entries = b"".join(_encode_bytes(name) + _encode_bytes(v) for name, v in metadata.items())
    return _MAGIC + encode_long(len(metadata)) + entries + encode_long(0) + SYNC


def feature_names(n_features: int) -> list[str]:
    """Return what the columns of the values are called.

    >>> feature_names(2)
    ['f0', 'f1']
    """
    return [f"f{index}" for index in range(n_features)]


def encode_long(value: int) -> bytes:
    r"""Write a whole number as Avro's int and long are: zigzag, seven bits a byte, lowest first.

    >>> [encode_long(value).hex() for value in (0, -1, 1, -64, 64)]
    ['00', '01', '02', '7f', '8001']
    """
    left = (value << 1) ^ (value >> 63)
    encoded = bytearray()
    while left > 0x7F:
        encoded.append(left & 0x7F | 0x80)
        left >>= 7
    encoded.append(left)
    return bytes(encoded)


def _encode_bytes(value: bytes) -> bytes:
    return encode_long(len(value)) + value

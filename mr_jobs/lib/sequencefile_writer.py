"""Write Hadoop SequenceFiles (version 6); see `mr_jobs.lib.sequencefile`."""

from __future__ import annotations

import os
from types import TracebackType
from typing import BinaryIO, Self

from mr_jobs.lib.errors import BundleError, DataError
from mr_jobs.lib.sequencefile_format import (
    CODECS,
    COMPRESSIONS,
    ESCAPE,
    SYNC_BYTES,
    SYNC_INTERVAL_BYTES,
    Header,
)
from mr_jobs.lib.writables import ALL_WRITABLES, MAX_INT, Value, encode_vint

BLOCK_BYTES = 1_000_000  # io.seqfile.compress.blocksize
BUFFER_BYTES = 1 << 20  # for the file: Linux takes large pieces half as fast again as small ones


class Writer:
    """Write a SequenceFile record by record; the counterpart of Hadoop's SequenceFile.Writer.

    Sync markers lie where Hadoop 3.4.2 puts them, so that an uncompressed file differs from the
    one Hadoop writes of the same records only in the 16 bytes of the marker.

    Parameters
    ----------
    file : binary file of which only `write` is used; not closed. With a buffer of `BUFFER_BYTES`
        it is fastest.
    key_class, value_class : Text (str), BytesWritable (bytes), NullWritable (None),
        IntWritable (int) or LongWritable (int); or one of Mahout's, in its serialised bytes.
    compression : none, record (each value) or block (keys and values of about 1 MB together).
    codec : default, deflate, gzip or bzip2; without effect when compression is none.
    metadata : texts kept in the header.
    sync : the 16 bytes of the sync marker; random when None. The same marker and the same
        records make the same file, byte by byte.

    Raises
    ------
    ValueError for an unknown class, compression or codec or a marker of another length.
    """

    def __init__(
        self,
        file: BinaryIO,
        *,
        key_class: str = "BytesWritable",
        value_class: str = "BytesWritable",
        compression: str = "none",
        codec: str = "default",
        metadata: dict[str, str] | None = None,
        sync: bytes | None = None,
    ) -> None:
        for given, known in (
            (key_class, ALL_WRITABLES),
            (value_class, ALL_WRITABLES),
            (compression, COMPRESSIONS),
            (codec, CODECS),
        ):
            if given not in known:
                raise ValueError(f"{given!r} is none of {', '.join(known)}")
        sync = os.urandom(SYNC_BYTES) if sync is None else sync
        if len(sync) != SYNC_BYTES:
            raise ValueError(f"the sync marker has {len(sync)} bytes instead of {SYNC_BYTES}")
        self._file = file
        self._name = str(getattr(file, "name", "<stream>"))
        self._encode_key = ALL_WRITABLES[key_class].encode
        self._encode_value = ALL_WRITABLES[value_class].encode
        self._compression = compression
        self._compress = CODECS[codec].compress
        self._sync = ESCAPE + sync
        used_codec = None if compression == "none" else codec
        self._header = Header(key_class, value_class, compression, used_codec, sync, metadata or {})
        self._block = _Block()
        self._closed = False
        self._position = 0
        self._last_sync = 0  # as in Java: the header's marker does not count
        self._write(self._header.encode())

    def append(self, key: Value, value: Value) -> int:
        """Write one record.

        Returns
        -------
        The offset in bytes at which `Reader.read_at` finds it: of the record, or of its block
        when the compression is block.

        Raises
        ------
        TypeError, OverflowError when key or value are not of the file's classes.
        BundleError when a text is not valid Unicode, or the record is longer than 2 GiB; nothing
        has been written then.
        """
        if self._closed:
            raise ValueError("append to a closed Writer")
        try:
            key_prefix, key_body = self._encode_key(key)
            prefix, body = self._encode_value(value)
        except DataError as error:
            raise BundleError(str(error), self._name, self._position) from error
        if self._compression == "record":
            prefix, body = b"", self._compress(prefix + body)
        key_length = len(key_prefix) + len(key_body)
        length = key_length + len(prefix) + len(body)
        if length > MAX_INT:
            raise BundleError(f"record of {length} bytes is over 2 GiB", self._name, self._position)
        if self._compression == "block":
            return self._append_to_block(key_prefix + key_body, prefix + body)
        if self._position >= self._last_sync + SYNC_INTERVAL_BYTES:
            self._write_sync()
        offset = self._position
        head = length.to_bytes(4, "big") + key_length.to_bytes(4, "big") + key_prefix + key_body
        self._write(head + prefix)
        self._write(body)
        return offset

    def _append_to_block(self, key: bytes, value: bytes) -> int:
        offset = self._position
        if self._block.add(key, value) >= BLOCK_BYTES:
            self._write_block()
        return offset

    def _write_block(self) -> None:
        self._write_sync()
        self._write(encode_vint(len(self._block)))
        for buffer in self._block.buffers:
            data = self._compress(bytes(buffer))
            self._write(encode_vint(len(data)))
            self._write(data)
        self._block = _Block()

    def _write_sync(self) -> None:
        self._write(self._sync)
        self._last_sync = self._position

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        self._position += len(data)

    def close(self) -> None:
        """Write what is left of the last block; a second call does nothing."""
        if not self._closed and len(self._block):
            self._write_block()
        self._closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:  # after an error the file is not complete and should not look so
            self.close()
        self._closed = True


class _Block:
    """The records of one block, not yet compressed, in the four buffers of the format."""

    def __init__(self) -> None:
        self.buffers = tuple(bytearray() for _ in range(4))
        self._n_records = 0

    def __len__(self) -> int:
        return self._n_records

    def add(self, key: bytes, value: bytes) -> int:
        """Add a record; return the bytes of all keys and values."""
        key_lengths, keys, value_lengths, values = self.buffers
        key_lengths += encode_vint(len(key))
        keys += key
        value_lengths += encode_vint(len(value))
        values += value
        self._n_records += 1
        return len(keys) + len(values)

"""The parts of the SequenceFile format that its reader and writer share: header, codecs, source.

Format: org.apache.hadoop.io.SequenceFile and org.apache.hadoop.io.compress, Hadoop 3.4.2.
"""

from __future__ import annotations

import bz2
import io
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import BinaryIO, NamedTuple, Protocol

from mr_jobs.lib.errors import BundleError, DataError
from mr_jobs.lib.writables import ALL_WRITABLES, WRITABLES, decode_vint

MAGIC = b"SEQ"
VERSION = 6
ESCAPE = b"\xff\xff\xff\xff"  # the int -1 where a record's length is expected
SYNC_BYTES = 16
SYNC_INTERVAL_BYTES = 5 * 1024 * 20  # SequenceFile.SYNC_INTERVAL since Hadoop 3.0
COMPRESSIONS = ("none", "record", "block")
_MAX_HEADER_STRING_BYTES = 1 << 20
_MAX_METADATA_BYTES = 1 << 21
_MAX_CHUNK_BYTES = 1 << 17
_FIRST_WINDOW_BYTES, _MAX_WINDOW_BYTES = 1 << 13, 1 << 20


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: memoryview, max_length: int = ..., /) -> bytes: ...


class Codec(NamedTuple):
    """A compression codec of Hadoop.

    Attributes
    ----------
    java_name : its Java class.
    compress : bytes -> one complete compressed stream.
    decompressor : makes an object that inflates one stream.
    """

    java_name: str
    compress: Callable[[bytes], bytes]
    decompressor: Callable[[], _Decompressor]

    def inflate(self, data: bytes, max_bytes: int) -> bytes:
        """Inflate `data`, one or more streams end to end.

        Raises DataError when a stream is damaged, is cut off, or inflates to more than
        `max_bytes`: the size is not known before, and a few kB can inflate to many GB.
        """
        parts: list[bytes] = []
        view, at, room = memoryview(data), 0, max_bytes
        while at < len(view):
            decompressor = self.decompressor()
            n_bytes = _FIRST_WINDOW_BYTES  # what is behind a stream's end gets copied
            while not decompressor.eof:
                if at == len(view):
                    raise DataError("compressed data is cut off")
                window = view[at : at + n_bytes]
                try:
                    part = decompressor.decompress(window, room + 1)
                except (zlib.error, OSError, ValueError) as error:  # bz2: OSError, ValueError
                    raise DataError(f"compressed data is damaged ({error})") from error
                room -= len(part)
                if room < 0:
                    raise DataError(f"compressed data inflates to more than {max_bytes} bytes")
                parts.append(part)
                at += len(window) - len(decompressor.unused_data)
                n_bytes = min(2 * n_bytes, _MAX_WINDOW_BYTES)
        return b"".join(parts)


def _gzip_compress(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=31)  # a gzip member without name and time
    return compressor.compress(data) + compressor.flush()


_PACKAGE = "org.apache.hadoop.io.compress."
CODECS = {
    "default": Codec(_PACKAGE + "DefaultCodec", zlib.compress, zlib.decompressobj),
    "deflate": Codec(_PACKAGE + "DeflateCodec", zlib.compress, zlib.decompressobj),
    "gzip": Codec(_PACKAGE + "GzipCodec", _gzip_compress, lambda: zlib.decompressobj(wbits=31)),
    "bzip2": Codec(_PACKAGE + "BZip2Codec", bz2.compress, bz2.BZ2Decompressor),
}


class Source:
    """A seekable file read by position; no length is believed before it is checked.

    Attributes
    ----------
    file : the file itself; who reads it says in `position` where that left it.
    name : what error messages call the file.
    size : its length in bytes when it was opened.
    position : the offset at which `file` is; -1 when that is not known.
    """

    def __init__(self, file: BinaryIO, name: str) -> None:
        self.file = file
        self.name = name or str(getattr(file, "name", "<stream>"))
        self.size = file.seek(0, io.SEEK_END)
        self.position = self.size

    def read(self, position: int, n_bytes: int, what: str) -> bytes:
        """Read exactly `n_bytes` at `position`; raises BundleError when the file ends before."""
        if n_bytes > self.size - position:
            left = max(0, self.size - position)
            raise BundleError(
                f"{what} of {n_bytes} bytes is cut off after {left}", self.name, position
            )
        if position != self.position:
            self.file.seek(position)
        data = self.file.read(n_bytes)
        self.position = position + len(data)
        if len(data) != n_bytes:
            raise BundleError(f"{what} is cut off: the file became shorter", self.name, position)
        return data

    def read_vint(self, position: int, what: str) -> tuple[int, int]:
        """Read a variable-length int; return it and the position behind it."""
        data = self.read(position, max(1, min(9, self.size - position)), what)
        try:
            number, length = decode_vint(data)
        except DataError as error:
            raise BundleError(f"{what} is cut off", self.name, position) from error
        return number, position + length

    def find(self, pattern: bytes, position: int) -> int:
        """Find the first `pattern` at or after `position`; the file's size when there is none."""
        n_bytes = 1 << 10  # damage can lie between markers that are close to each other
        while position + len(pattern) <= self.size:
            chunk = self.read(position, min(n_bytes, self.size - position), "the file")
            if (at := chunk.find(pattern)) >= 0:
                return position + at
            position += len(chunk) - len(pattern) + 1
            n_bytes = min(2 * n_bytes, _MAX_CHUNK_BYTES)
        return self.size


@dataclass(frozen=True)
class Header:
    """A SequenceFile's header.

    Attributes
    ----------
    key_class, value_class : short class names, keys of `writables.ALL_WRITABLES`.
    compression : none, record or block.
    codec : key of `CODECS`; None when nothing is compressed.
    metadata : free pairs of texts.
    sync : 16 bytes, the file's own marker.
    """

    key_class: str
    value_class: str
    compression: str
    codec: str | None
    sync: bytes
    metadata: dict[str, str] = field(default_factory=dict)

    def encode(self) -> bytes:
        """Serialise the header; metadata in the order of their UTF-8 bytes, as Java has it."""
        parts = [MAGIC, bytes([VERSION])]
        parts += (
            _encode_string(ALL_WRITABLES[c].java_name) for c in (self.key_class, self.value_class)
        )
        parts.append(bytes([self.compression != "none", self.compression == "block"]))
        if self.codec:
            parts.append(_encode_string(CODECS[self.codec].java_name))
        parts.append(len(self.metadata).to_bytes(4, "big"))
        for key, value in sorted(self.metadata.items(), key=lambda pair: pair[0].encode()):
            parts += (_encode_string(key), _encode_string(value))
        return b"".join([*parts, self.sync])


def _encode_string(text: str) -> bytes:
    return b"".join(WRITABLES["Text"].encode(text))


class HeaderReader:
    """Parse the header of a SequenceFile, field by field.

    `position` is the offset of the next field: after `read`, the length of the header in bytes.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self.position = 0

    def read(self) -> Header:
        """Read the header; raises BundleError when the file is none that this module can read."""
        magic = self._take(min(4, self._source.size), "magic")
        if magic[:3] != MAGIC:
            what = "not a SequenceFile" if magic else "empty file, not a SequenceFile,"
            raise self._error(what, 0)
        if magic[3:] != bytes([VERSION]):
            version = magic[3] if len(magic) == 4 else "missing"
            raise self._error(f"SequenceFile version {version}, only {VERSION} is supported,", 3)
        key_class, value_class = self._class("key"), self._class("value")
        compression = self._compression()
        codec = None if compression == "none" else self._codec()
        metadata = self._metadata()
        sync = self._take(SYNC_BYTES, "the header's sync marker")
        return Header(key_class, value_class, compression, codec, sync, metadata)

    def _error(self, what: str, position: int) -> BundleError:
        return BundleError(what, self._source.name, position)

    def _take(self, n_bytes: int, what: str) -> bytes:
        data = self._source.read(self.position, n_bytes, what)
        self.position += n_bytes
        return data

    def _string(self, what: str) -> str:
        start = self.position
        length, self.position = self._source.read_vint(start, f"length of {what}")
        if not 0 <= length <= _MAX_HEADER_STRING_BYTES:
            raise self._error(f"damaged header: {what} of {length} bytes", start)
        try:
            return self._take(length, what).decode()
        except UnicodeDecodeError as error:
            raise self._error(f"damaged header: {what} is not UTF-8", start) from error

    def _class(self, role: str) -> str:
        start = self.position
        name = self._string(f"the {role} class")
        for writable in ALL_WRITABLES.values():
            if writable.java_name == name:
                return writable.name
        known = ", ".join(WRITABLES)
        raise self._error(f"{role} class {name!r} is none of {known},", start)

    def _compression(self) -> str:
        flags = self._take(2, "the compression flags")
        names = {b"\0\0": "none", b"\1\0": "record", b"\1\1": "block"}
        if flags not in names:
            raise self._error(f"damaged header: compression flags {flags.hex()}", self.position - 2)
        return names[flags]

    def _codec(self) -> str:
        start = self.position
        java_name = self._string("the codec")
        for name, codec in CODECS.items():
            if codec.java_name == java_name:
                return name
        known = ", ".join(codec.java_name.removeprefix(_PACKAGE) for codec in CODECS.values())
        raise self._error(f"codec {java_name!r} is none of {known},", start)

    def _metadata(self) -> dict[str, str]:
        start = self.position
        n_pairs = int.from_bytes(self._take(4, "the metadata count"), "big", signed=True)
        if not 0 <= n_pairs <= (self._source.size - start) // 2:
            raise self._error(f"damaged header: {n_pairs} metadata pairs", start)
        metadata = {}
        for _ in range(n_pairs):
            key = self._string("a metadata key")
            metadata[key] = self._string("a metadata value")
            if self.position - start > _MAX_METADATA_BYTES:
                what = f"damaged header: metadata of over {_MAX_METADATA_BYTES} bytes"
                raise self._error(what, start)
        return metadata

"""A tar of plain files, made on the way to where it goes."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator

from mr_jobs.lib.errors import DataError
from pipeline.layouts import RawPath

_BLOCK = 512
_CHUNK_BYTES = 1 << 20


class TarOfFiles:
    """Files in the order in which they were added, as a tar without its end."""

    def __init__(self) -> None:
        self._files: list[tuple[bytes, RawPath, int]] = []
        self._end = 0

    def add(self, name: str, path: RawPath, size: int) -> tuple[int, int]:
        """Add a file; return where its header will be, and the bytes of header and content."""
        info = tarfile.TarInfo(name)  # nothing in it depends on when or by whom
        info.size = size
        header = info.tobuf(tarfile.PAX_FORMAT, errors="surrogateescape")
        offset, length = self._end, len(header) + size + -size % _BLOCK
        self._files.append((header, path, size))
        self._end += length
        return offset, length

    def chunks(self) -> Iterator[bytes]:
        """Yield the tar.

        Raises
        ------
        DataError
            If a file is not as long as it was when it was added.
        """
        for header, path, size in self._files:
            yield header
            left = size
            with path.open("rb") as file:
                while left and (chunk := file.read(min(left, _CHUNK_BYTES))):
                    left -= len(chunk)
                    yield chunk
                if left or file.read(1):
                    raise DataError(f"{path}: changed while it was read; run this again")
            yield bytes(-size % _BLOCK)

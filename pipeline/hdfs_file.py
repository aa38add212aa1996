"""A file in HDFS to read from, through WebHDFS."""

from __future__ import annotations

import io
from contextlib import ExitStack
from typing import BinaryIO

import requests
from hdfs import Client, HdfsError
from urllib3.exceptions import HTTPError  # what an answer raises that breaks off

from mr_jobs.lib.errors import ClusterError

_SKIPPED_BYTES = 1 << 20  # at most; reading them is cheaper than a new request


class HdfsFile(io.RawIOBase):
    """A file in HDFS, read through one WebHDFS answer for as long as the reads follow on.

    Reading raises ClusterError where HDFS does not give the bytes: DataNodes are down, or no
    replica of a block has the right checksum.
    """

    def __init__(self, client: Client, path: str, length: int) -> None:
        self._client = client
        self._path = path
        self._length = length
        self._position = 0
        self._stack = ExitStack()
        self._answer: BinaryIO | None = None

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def seekable(self) -> bool:
        """Say that positions can be chosen."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a position; a little forward is read over."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._length}[whence]
        target = base + offset
        if target != self._position:
            if self._answer is not None and 0 <= target - self._position <= _SKIPPED_BYTES:
                self._read(target - self._position)
            else:
                self._close_answer()
            self._position = target
        return target

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Read into a buffer; return how many bytes."""
        wanted = min(len(buffer), self._length - self._position)
        if wanted <= 0:
            return 0
        data = self._read(wanted)
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def _read(self, n_bytes: int) -> bytes:
        try:
            if self._answer is None:
                self._answer = self._stack.enter_context(
                    self._client.read(self._path, offset=self._position)
                )
            return self._answer.read(n_bytes)
        except (HdfsError, requests.RequestException, HTTPError) as error:
            self._close_answer()
            first_line = (str(error).splitlines() or [type(error).__name__])[0]
            raise ClusterError(
                f"{self._path}: HDFS does not give what is behind byte {self._position} "
                f"({first_line}); see `bin/pipeline status`"
            ) from error

    def close(self) -> None:
        """Close the answer at hand."""
        self._close_answer()
        super().close()

    def _close_answer(self) -> None:
        self._answer = None
        self._stack.close()

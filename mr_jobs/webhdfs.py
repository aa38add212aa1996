"""Read a range of a file, local or in HDFS: for tasks, with no JVM to start.

Source: the WebHDFS REST API of Hadoop, operation OPEN.
"""

from __future__ import annotations

import getpass
import io
import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast
from urllib.error import URLError
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import HTTPSHandler, OpenerDirector, ProxyHandler, build_opener

from mr_jobs.lib.errors import DataError
from mr_jobs.webhdfs_token import delegation

_READ_TIMEOUT_S = 120
_BUFFER_BYTES = 1 << 20


@contextmanager
def open_range(uri: str, offset: int, length: int, webhdfs_url: str | None) -> Iterator[BinaryIO]:
    """Open a local path or an hdfs:// URI to read `length` bytes from byte `offset`.

    Positions in the file are those of the whole; reading on from the last byte read is cheap, and
    so is going back a little. A read past the range gives no bytes.

    Raises
    ------
    DataError
        If the file cannot be opened.
    """
    try:
        if "://" in uri:
            if webhdfs_url is None:
                raise DataError(f"{uri}: no --webhdfs address was given to read it from")
            url = f"{webhdfs_url}/webhdfs/v1{quote(urlsplit(uri).path)}"
            raw: io.RawIOBase = _WebHdfsRange(url, offset + length)
        else:
            raw = io.FileIO(Path(uri), opener=_no_wait)
        with io.BufferedReader(raw, min(_BUFFER_BYTES, max(length, 1))) as file:
            file.seek(offset)
            yield cast(BinaryIO, file)
    except (OSError, URLError) as error:
        raise DataError(f"{uri}: cannot be read at byte {offset}: {error}") from error


class _WebHdfsRange(io.RawIOBase):
    """A file in HDFS up to byte `limit`, through one answer for as long as the reads follow on."""

    def __init__(self, url: str, limit: int) -> None:
        self._url = url
        self._limit = limit
        self._at = 0
        self._answer: BinaryIO | None = None
        self._opener = _opener(url)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._limit}[whence]
        if base + offset != self._at:
            self._at = base + offset
            self._close_answer()
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        wanted = min(len(buffer), self._limit - self._at)
        if wanted <= 0:
            return 0
        if self._answer is None:
            query = {"op": "OPEN", "offset": self._at, "length": self._limit - self._at}
            url = f"{self._url}?{urlencode(query | _who())}"
            self._answer = cast(BinaryIO, self._opener.open(url, timeout=_READ_TIMEOUT_S))
        data = self._answer.read(wanted)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def close(self) -> None:
        self._close_answer()
        super().close()

    def _close_answer(self) -> None:
        if self._answer is not None:
            self._answer.close()
            self._answer = None


def _who() -> dict[str, str]:
    """Say who asks: by the task's token, or to a cluster that trusts names by the user's name."""
    token = delegation()
    return {"delegation": token} if token else {"user.name": getpass.getuser()}


def _opener(url: str) -> OpenerDirector:
    """Open addresses past any proxy, and those of a secure cluster by its own authority."""
    if urlsplit(url).scheme != "https":
        return build_opener(ProxyHandler({}))
    authority = Path(os.environ.get("HADOOP_CONF_DIR", ""), "ca.pem")
    context = ssl.create_default_context(cafile=authority if authority.is_file() else None)
    return build_opener(ProxyHandler({}), HTTPSHandler(context=context))


def _no_wait(path: str, flags: int) -> int:
    """Open a local file without waiting: a pipe in its place is found to be one then."""
    return os.open(path, flags | os.O_NONBLOCK)

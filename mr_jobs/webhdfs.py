"""Read a range of a file, local or in HDFS, as a stream: for tasks, with no JVM to start.

Source: the WebHDFS REST API of Hadoop, operation OPEN.
"""

from __future__ import annotations

import getpass
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast
from urllib.error import URLError
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import ProxyHandler, build_opener

from mr_jobs.lib.errors import DataError

_READ_TIMEOUT_S = 120


@contextmanager
def open_range(uri: str, offset: int, length: int, webhdfs_url: str | None) -> Iterator[BinaryIO]:
    """Open `length` bytes from byte `offset` of a local path or an hdfs:// URI for reading once.

    Raises
    ------
    DataError
        If the file cannot be opened; a read past the end gives fewer bytes, as from any file.
    """
    try:
        if "://" in uri:
            source: BinaryIO = _open_webhdfs(uri, offset, length, webhdfs_url)
        else:
            source = Path(uri).open("rb")  # noqa: SIM115  # closed below
            source.seek(offset)
    except (OSError, URLError) as error:
        raise DataError(f"{uri}: cannot be read at byte {offset}: {error}") from error
    with source:
        yield cast(BinaryIO, io.BufferedReader(_Limited(source, length), 1 << 20))


def _open_webhdfs(uri: str, offset: int, length: int, webhdfs_url: str | None) -> BinaryIO:
    if webhdfs_url is None:
        raise DataError(f"{uri}: no --webhdfs address was given to read it from")
    query = urlencode(
        {"op": "OPEN", "offset": offset, "length": length, "user.name": getpass.getuser()}
    )
    url = f"{webhdfs_url}/webhdfs/v1{quote(urlsplit(uri).path)}?{query}"
    opener = build_opener(ProxyHandler({}))  # the cluster is never behind the user's proxy
    return cast(BinaryIO, opener.open(url, timeout=_READ_TIMEOUT_S))


class _Limited(io.RawIOBase):
    """The next `length` bytes of a stream."""

    def __init__(self, source: BinaryIO, length: int) -> None:
        self._source = source
        self._left = length

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._source.read(min(len(buffer), self._left))
        buffer[: len(data)] = data
        self._left -= len(data)
        return len(data)

"""A data set that is in HDFS already, seen as far as needed like a `pathlib.Path`."""

from __future__ import annotations

import io
from collections.abc import Iterator
from fnmatch import fnmatch
from typing import BinaryIO, Literal, NamedTuple, TextIO, overload
from urllib.parse import urlsplit

from mr_jobs.lib.errors import ConfigError
from pipeline.stores import HdfsStore, Listed


class Stat(NamedTuple):
    """Size in bytes and time of change in nanoseconds, as os.stat names them."""

    st_size: int
    st_mtime_ns: int


class HdfsPath:
    """A file or directory in a cluster's HDFS; raw tars are used where they are, by ranges."""

    def __init__(self, store: HdfsStore, path: str) -> None:
        self._store = store
        self._path = path

    @classmethod
    def parse(cls, uri: str, store: HdfsStore) -> HdfsPath:
        """Read `hdfs:///path` or `hdfs://HOST:PORT/path` of the store's own cluster."""
        parts = urlsplit(uri)
        own = urlsplit(store.uri("/"))
        if parts.netloc not in ("", own.netloc):
            raise ConfigError(
                f"--data {uri} is not in the HDFS of the run's cluster, hdfs://{own.netloc}"
            )
        return cls(store, parts.path or "/")

    def __truediv__(self, name: str) -> HdfsPath:
        return HdfsPath(self._store, f"{self._path.rstrip('/')}/{name}")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, HdfsPath) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))

    def __str__(self) -> str:
        return self._store.uri(self._path)

    @property
    def name(self) -> str:
        """The last part."""
        return self._path.rstrip("/").rpartition("/")[2]

    def is_dir(self) -> bool:
        """Say whether there is a directory."""
        return self._type() == "DIRECTORY"

    def is_file(self) -> bool:
        """Say whether there is a file."""
        return self._type() == "FILE"

    def iterdir(self) -> Iterator[HdfsPath]:
        """Yield what is in the directory."""
        for name in self._store.list(self._path):
            yield self / name

    def scan(self) -> Iterator[Listed]:
        """Yield name, kind and size of what is in the directory, sorted, in constant memory."""
        return self._store.scan(self._path)

    def summary(self) -> dict[str, int]:
        """Return WebHDFS's ContentSummary of the directory: fileCount, length and others."""
        return self._store.summary(self._path)

    @property
    def parent(self) -> HdfsPath:
        """The directory that it is in."""
        return HdfsPath(self._store, self._path.rstrip("/").rpartition("/")[0] or "/")

    def glob(self, pattern: str) -> Iterator[HdfsPath]:
        """Yield what is in the directory and matches; nothing if there is no directory."""
        if self.is_dir():
            yield from (path for path in self.iterdir() if fnmatch(path.name, pattern))

    @overload
    def open(self, mode: Literal["rb"]) -> BinaryIO: ...

    @overload
    def open(self, mode: Literal["r"] = "r", *, encoding: str) -> TextIO: ...

    def open(self, mode: str = "r", *, encoding: str = "utf-8") -> BinaryIO | TextIO:
        """Open the file for reading, as bytes or as text."""
        file = self._store.open(self._path)
        return file if "b" in mode else io.TextIOWrapper(file, encoding)

    def stat(self) -> Stat:
        """Return size and time of change."""
        status = self._store.status(self._path) or {}
        return Stat(
            int(str(status.get("length", 0))),
            int(str(status.get("modificationTime", 0))) * 1_000_000,
        )

    def _type(self) -> str | None:
        status = self._store.status(self._path)
        return None if status is None else str(status["type"])

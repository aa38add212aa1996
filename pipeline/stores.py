"""Where a run's directories are: on the local disk, or in HDFS through WebHDFS.

The pipeline itself never starts a JVM to look into HDFS: a WebHDFS call takes milliseconds, a
`hadoop fs` command a second or two.
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple, Protocol, cast

import requests
from hdfs import Client, HdfsError, InsecureClient
from hdfs.client import _Request

from mr_jobs.lib.errors import ClusterError
from pipeline import cluster_http
from pipeline.hdfs_file import HdfsFile
from pipeline.webhdfs_upload import send_range

_CHUNK_BYTES = 1 << 20
_TIMEOUT_S = 120
_LIST_BATCH = _Request("GET").to_method("LISTSTATUS_BATCH")  # the package has no public way


class Store(Protocol):
    """The directories of a run, by names relative to its root."""

    def uri(self, name: str) -> str:
        """Return what a job is given to find `name`."""

    def exists(self, name: str) -> bool:
        """Say whether there is a file or directory."""

    def files(self, name: str) -> list[str]:
        """List the names of the data files in a directory, sorted: no `_SUCCESS` or dot files."""

    def size(self, name: str) -> int:
        """Return the bytes of a file."""

    def open(self, name: str) -> BinaryIO:
        """Open a file for buffered reading; it can seek."""

    def write(self, name: str, chunks: Iterable[bytes]) -> None:
        """Write a file whole; directories are made."""

    def send(self, name: str, path: Path, offset: int, length: int) -> None:
        """Write a range of a local file, bytes, as a file."""

    def rename(self, name: str, new_name: str) -> None:
        """Move a file to a name that is free; directories are made."""

    def delete(self, name: str) -> None:
        """Remove a file or a directory with all in it, if it is there."""


class LocalStore:
    """A run's directories on the local disk."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def uri(self, name: str) -> str:
        """Return the absolute path."""
        return str(self.root.resolve() / name)

    def exists(self, name: str) -> bool:
        """Say whether there is a file or directory."""
        return (self.root / name).exists()

    def files(self, name: str) -> list[str]:
        """List the data files in a directory."""
        folder = self.root / name
        paths = folder.iterdir() if folder.is_dir() else ()
        return sorted(f"{name}/{p.name}" for p in paths if p.name[0] not in "._")

    def size(self, name: str) -> int:
        """Return the bytes of a file."""
        return (self.root / name).stat().st_size

    def open(self, name: str) -> BinaryIO:
        """Open a file for reading."""
        return (self.root / name).open("rb")

    def write(self, name: str, chunks: Iterable[bytes]) -> None:
        """Write a file through a temporary one beside it."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.part")
        with part.open("wb") as file:
            file.writelines(chunks)
        part.rename(path)

    def send(self, name: str, path: Path, offset: int, length: int) -> None:
        """Write a range of a file as a file."""
        with path.open("rb") as file:
            file.seek(offset)
            left = range(length, 0, -_CHUNK_BYTES)
            self.write(name, (file.read(min(n, _CHUNK_BYTES)) for n in left))

    def rename(self, name: str, new_name: str) -> None:
        """Move a file."""
        new_path = self.root / new_name
        new_path.parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).rename(new_path)

    def delete(self, name: str) -> None:
        """Remove a file or directory."""
        path = self.root / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


class Listed(NamedTuple):
    """A name in a directory of HDFS; `kind` is FILE, DIRECTORY or SYMLINK, `size` in bytes."""

    name: str
    kind: str
    size: int


class HdfsStore:
    """A run's directories in HDFS, as the OS user or a secure cluster's account `pipeline`.

    Parameters
    ----------
    webhdfs_url : the namenode's HTTP address, `http://127.0.0.1:PORT`.
    fs_uri : `hdfs://127.0.0.1:PORT`, in front of the paths that jobs get.
    root : absolute path of the run's directory.
    """

    def __init__(self, webhdfs_url: str, fs_uri: str, root: str) -> None:
        self._client = _client(webhdfs_url)
        self._webhdfs_url = webhdfs_url
        self._fs_uri = fs_uri
        self.root = PurePosixPath(root)

    def uri(self, name: str) -> str:
        """Return the hdfs:// URI."""
        return f"{self._fs_uri}{self.root / name}"

    def exists(self, name: str) -> bool:
        """Say whether there is a file or directory."""
        return self.status(name) is not None

    def files(self, name: str) -> list[str]:
        """List the data files in a directory."""
        found = self.list(name) if self.exists(name) else []
        return [f"{name}/{file}" for file in found if file[0] not in "._"]

    def list(self, name: str) -> list[str]:
        """List the names in a directory, sorted."""
        try:
            return sorted(self._client.list(str(self.root / name)))
        except (HdfsError, requests.RequestException) as error:
            raise self._error(name, error) from error

    def scan(self, name: str) -> Iterator[Listed]:
        """Yield what is in a directory, sorted, a thousand names a request, in constant memory.

        Source: the WebHDFS REST API of Hadoop, operation LISTSTATUS_BATCH.
        """
        after = ""
        left = True
        while left:
            try:
                answer = _LIST_BATCH(self._client, str(self.root / name), startAfter=after).json()
            except (HdfsError, requests.RequestException) as error:
                raise self._error(name, error) from error
            listing = answer["DirectoryListing"]
            found = listing["partialListing"]["FileStatuses"]["FileStatus"]
            left = bool(found and listing["remainingEntries"])
            for status in found:
                after = status["pathSuffix"]
                yield Listed(after, status["type"], status["length"])

    def summary(self, name: str) -> dict[str, int]:
        """Return WebHDFS's ContentSummary of a directory: fileCount, length and others."""
        try:
            return cast("dict[str, int]", self._client.content(str(self.root / name)))
        except (HdfsError, requests.RequestException) as error:
            raise self._error(name, error) from error

    def size(self, name: str) -> int:
        """Return the bytes of a file."""
        status = self.status(name)
        if status is None:
            raise ClusterError(f"{self.uri(name)}: no such file in HDFS")
        return int(str(status["length"]))

    def open(self, name: str) -> BinaryIO:
        """Open a file for reading."""
        raw = HdfsFile(self._client, str(self.root / name), self.size(name))
        return cast(BinaryIO, io.BufferedReader(raw, _CHUNK_BYTES))

    def write(self, name: str, chunks: Iterable[bytes]) -> None:
        """Write a file in HDFS, through a temporary one beside it."""
        path = self.root / name
        part = str(path.with_name(f".{path.name}.part"))
        try:
            self._client.write(part, data=_never_empty(chunks), overwrite=True)
            self._client.delete(str(path))
            self._client.rename(part, str(path))
        except (HdfsError, requests.RequestException) as error:
            raise self._error(name, error) from error

    def send(self, name: str, path: Path, offset: int, length: int) -> None:
        """Write a range of a local file into HDFS."""
        send_range(self._webhdfs_url, str(self.root / name), path, offset, length)

    def rename(self, name: str, new_name: str) -> None:
        """Move a file in HDFS."""
        new_path = self.root / new_name
        try:
            self._client.makedirs(str(new_path.parent))
            self._client.rename(str(self.root / name), str(new_path))
        except (HdfsError, requests.RequestException) as error:
            raise self._error(name, error) from error

    def delete(self, name: str) -> None:
        """Remove a file or directory."""
        try:
            self._client.delete(str(self.root / name), recursive=True)
        except (HdfsError, requests.RequestException) as error:
            raise self._error(name, error) from error

    def status(self, name: str) -> dict[str, object] | None:
        """Return WebHDFS's FileStatus of a file or directory; None if there is none."""
        try:
            return cast(
                "dict[str, object] | None",
                self._client.status(str(self.root / name), strict=False),
            )
        except (HdfsError, requests.RequestException) as error:
            raise self._error(name, error) from error

    def _error(self, name: str, error: Exception) -> ClusterError:
        first_line = (str(error).splitlines() or [type(error).__name__])[0]
        return ClusterError(
            f"{self.uri(name)}: HDFS refused or did not answer ({first_line}); see "
            "`bin/pipeline status`"
        )


def _client(webhdfs_url: str) -> Client:
    session = cluster_http.session(webhdfs_url)
    user = cluster_http.user_query(webhdfs_url).get("user.name")
    if user is None:
        return Client(webhdfs_url, session=session, timeout=_TIMEOUT_S)
    return InsecureClient(webhdfs_url, user=user, session=session, timeout=_TIMEOUT_S)


def _never_empty(chunks: Iterable[bytes]) -> Iterator[bytes]:
    yield from (chunk for chunk in chunks if chunk)  # an empty chunk would end the body

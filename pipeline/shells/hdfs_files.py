"""Files of HDFS as a shell sees them, over WebHDFS: an answer takes milliseconds and no JVM.

Source: the WebHDFS REST API of Hadoop 3.4.
"""

from __future__ import annotations

import getpass
import posixpath
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Self
from urllib.parse import quote, urlsplit

import requests

from mr_jobs.lib.errors import ClusterError, ConfigError
from pipeline import cluster_http
from pipeline.cluster import Cluster
from pipeline.stores import HdfsStore

_TIMEOUT_S = 60
_CHUNK_BYTES = 1 << 20
_WILD = frozenset("*?[")


class Entry(NamedTuple):
    """A file or directory: its absolute path, and what the NameNode knows of it.

    `length` in bytes, `modified_ms` since 1970; `replication` is 0 for a directory.
    """

    path: str
    is_dir: bool
    length: int
    owner: str
    group: str
    mode: int
    replication: int
    modified_ms: int
    block_bytes: int

    @classmethod
    def of(cls, path: str, status: dict[str, Any]) -> Self:
        """Make one of WebHDFS's FileStatus."""
        return cls(
            path,
            status["type"] == "DIRECTORY",
            int(status["length"]),
            str(status["owner"]),
            str(status["group"]),
            int(str(status["permission"]), 8),
            int(status["replication"]),
            int(status["modificationTime"]),
            int(status["blockSize"]),
        )

    @property
    def name(self) -> str:
        """The last part of the path."""
        return posixpath.basename(self.path)


class HdfsFiles:
    """The HDFS of a cluster, with a working directory.

    Attributes
    ----------
    user : the name that HDFS knows us by.
    home, here : the user's directory, and the working directory, absolute.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._url = cluster.webhdfs_url
        self._fs_uri = cluster.fs_uri
        self._session = cluster_http.session(self._url)
        self._store = HdfsStore(self._url, self._fs_uri, "/")
        self.user = cluster_http.user_name(self._url) or getpass.getuser()
        self.home = f"/user/{self.user}"
        self.here = self.home

    def path(self, text: str) -> str:
        """Return the absolute path that a text means from the working directory."""
        parts = urlsplit(text) if text.startswith("hdfs:") else None
        if parts and parts.netloc not in ("", urlsplit(self._fs_uri).netloc):
            raise ConfigError(f"{text} is not in this cluster's HDFS, {self._fs_uri}")
        joined = posixpath.join(self.here, parts.path or "/" if parts else text)
        return "/" + posixpath.normpath(joined).lstrip("/")

    def ask(self, operation: str, path: str, method: str = "GET", **options: str) -> dict[str, Any]:
        """Ask the NameNode to do an operation on a path; return its answer.

        Raises
        ------
        ConfigError
            There is no such file.
        ClusterError
            HDFS refuses it, or does not answer.
        """
        query = {"op": operation, **options, **cluster_http.user_query(self._url)}
        address = f"{self._url}/webhdfs/v1{quote(path)}"
        try:
            answer = self._session.request(method, address, params=query, timeout=_TIMEOUT_S)
            found: dict[str, Any] = answer.json() if answer.content else {}
        except (requests.RequestException, ValueError) as error:
            raise ClusterError(
                f"HDFS does not answer at {self._url}; see `bin/pipeline status`"
            ) from error
        if answer.ok:
            return found
        refusal = found.get("RemoteException", {})
        if refusal.get("exception") == "FileNotFoundException":
            raise ConfigError(f"{path}: no such file or directory in HDFS")
        said = str(refusal.get("message", answer.reason)).splitlines()
        raise ClusterError(f"{path}: HDFS refused it: {said[0] if said else answer.status_code}")

    def entry(self, path: str) -> Entry:
        """Return what is at a path; a ConfigError if there is nothing."""
        return Entry.of(path, self.ask("GETFILESTATUS", path)["FileStatus"])

    def find(self, path: str) -> Entry | None:
        """Return what is at a path, or None."""
        try:
            return self.entry(path)
        except ConfigError:
            return None

    def entries(self, path: str) -> Iterator[Entry]:
        """Yield what is in a directory, by name, a thousand a request; a file yields itself."""
        after, left = "", 1
        while left:
            answer = self.ask("LISTSTATUS_BATCH", path, startAfter=after)["DirectoryListing"]
            found = answer["partialListing"]["FileStatuses"]["FileStatus"]
            left = answer["remainingEntries"] if found else 0
            for status in found:
                after = status["pathSuffix"]
                yield Entry.of(posixpath.join(path, after) if after else path, status)

    def walk(self, path: str) -> Iterator[Entry]:
        """Yield all that is below a directory, each directory before what is in it."""
        for entry in self.entries(path):
            yield entry
            if entry.is_dir:
                yield from self.walk(entry.path)

    def matches(self, text: str) -> list[str]:
        """Return the paths that a text with `*`, `?` or `[…]` means, at least one."""
        path = self.path(text)
        if not _WILD & set(path) or self.find(path):
            return [path]
        found = ["/"]
        for part in path.strip("/").split("/"):
            found = [each for folder in found for each in self._named(folder, part)]
        if not found:
            raise ConfigError(f"{path}: nothing in HDFS has such a name")
        return found

    def _named(self, folder: str, pattern: str) -> list[str]:
        """Return what is in a directory, if it is one, and has a name of the pattern."""
        if not _WILD & set(pattern):
            there = self.find(posixpath.join(folder, pattern))
            return [there.path] if there else []
        if not self.entry(folder).is_dir:
            return []
        return [each.path for each in self.entries(folder) if fnmatchcase(each.name, pattern)]

    def open(self, path: str) -> BinaryIO:
        """Open a file for reading; a ConfigError for a directory."""
        if self.entry(path).is_dir:
            raise ConfigError(f"{path} is a directory")
        return self._store.open(path)

    def chunks(self, path: str) -> Iterator[bytes]:
        """Yield the bytes of a file, a MiB at a time."""
        with self.open(path) as file:
            while chunk := file.read(_CHUNK_BYTES):
                yield chunk

    def upload(self, local: Path, path: str) -> None:
        """Write a local file to a path."""
        try:
            self._store.send(path, local, 0, local.stat().st_size)
        except OSError as error:
            raise ConfigError(f"{local} cannot be read: {error.strerror}") from error

    def copy(self, path: str, new_path: str) -> None:
        """Write a file's bytes to another path."""
        self._store.write(new_path, self.chunks(path))

    def blocks(self, path: str) -> list[dict[str, Any]]:
        """Return the blocks of a file: offset and length in bytes, and hosts of each."""
        answer = self.ask("GETFILEBLOCKLOCATIONS", path)
        return list(answer["BlockLocations"].get("BlockLocation", []))

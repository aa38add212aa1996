"""A directory of this machine that answers as WebHDFS does, for the HDFS shell."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from mr_jobs.lib.errors import ClusterError, ConfigError
from pipeline.shells.hdfs_files import HdfsFiles


class FakeFiles(HdfsFiles):
    """The files below a directory, with the answers that the shell asks for."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._fs_uri = "hdfs://127.0.0.1:9000"
        self.user = "somebody"
        self.home = "/user/somebody"
        self.here = self.home
        self.asked: list[str] = []
        self._place(self.home).mkdir(parents=True)

    def _place(self, path: str) -> Path:
        return self._root / path.strip("/")

    def ask(self, operation: str, path: str, method: str = "GET", **options: str) -> dict[str, Any]:
        self.asked.append(operation)
        place = self._place(path)
        if operation == "MKDIRS":
            place.mkdir(parents=True, exist_ok=True)
            return {"boolean": True}
        if not place.exists():
            raise ConfigError(f"{path}: no such file or directory in HDFS")
        answers: dict[str, Callable[[Path], dict[str, Any]]] = {
            "GETFILESTATUS": self._status,
            "LISTSTATUS_BATCH": self._listing,
            "DELETE": self._delete,
            "RENAME": lambda found: self._rename(found, options["destination"]),
        }
        if operation not in answers:
            raise ClusterError(f"{path}: HDFS refused it: no {operation} here")
        return answers[operation](place)

    def _status(self, place: Path) -> dict[str, Any]:
        return {"FileStatus": _status(place, "")}

    def _listing(self, place: Path) -> dict[str, Any]:
        names = sorted(path.name for path in place.iterdir()) if place.is_dir() else [""]
        found = [_status(place / name, name) for name in names]
        listing = {"FileStatuses": {"FileStatus": found}}
        return {"DirectoryListing": {"partialListing": listing, "remainingEntries": 0}}

    def _delete(self, place: Path) -> dict[str, Any]:
        shutil.rmtree(place) if place.is_dir() else place.unlink()
        return {"boolean": True}

    def _rename(self, place: Path, target: str) -> dict[str, Any]:
        place.rename(self._place(target))
        return {"boolean": True}

    def open(self, path: str) -> BinaryIO:
        if self.entry(path).is_dir:
            raise ConfigError(f"{path} is a directory")
        return self._place(path).open("rb")

    def upload(self, local: Path, path: str) -> None:
        self._place(path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(local, self._place(path))


def _status(place: Path, name: str) -> dict[str, Any]:
    found = place.stat()
    return {
        "pathSuffix": name,
        "type": "DIRECTORY" if place.is_dir() else "FILE",
        "length": 0 if place.is_dir() else found.st_size,
        "owner": "somebody",
        "group": "supergroup",
        "permission": "755" if place.is_dir() else "644",
        "replication": 0 if place.is_dir() else 1,
        "modificationTime": 1_790_000_000_000,
        "blockSize": 128 << 20,
    }

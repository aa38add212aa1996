"""List folders, on this machine or in HDFS, without following links out of the data set."""

from __future__ import annotations

import os
from array import array
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from pipeline.hdfspath import HdfsPath
from pipeline.layouts.raw import RawPath, RawSource

_KINDS = {"DIRECTORY": "d", "FILE": "f", "SYMLINK": "l"}
Refuse = Callable[[str, str], None]  # called with a file's name and a short reason


class Entry(NamedTuple):
    """One name in a folder; neither `is_dir` nor `is_file` for a link, a pipe or a device."""

    name: str
    path: RawPath
    is_dir: bool
    is_file: bool
    is_link: bool
    size: int  # bytes; 0 for a local directory


def entries(folder: RawPath, *, hidden: bool = False) -> Iterator[Entry]:
    """Yield what is in a folder, sorted by name; links are not followed.

    Names that begin with a dot are left out unless `hidden`.

    Constant memory in HDFS, where a listing comes sorted; the names of one folder here.
    """
    if isinstance(folder, HdfsPath):
        for status in folder.scan():
            if hidden or not status.name.startswith("."):
                yield _entry(folder / status.name, _KINDS.get(status.kind, "?"), status.size)
        return
    with os.scandir(folder) as found:
        kinds = sorted((e.name, _kind(e)) for e in found if hidden or e.name[0] != ".")
    for name, kind in kinds:
        local = folder / name
        yield _entry(local, kind, local.lstat().st_size if kind == "f" else 0)


def _entry(path: RawPath, kind: str, size: int) -> Entry:
    return Entry(path.name, path, kind == "d", kind == "f", kind == "l", size)


def _kind(entry: os.DirEntry[str]) -> str:
    if entry.is_symlink():
        return "l"
    if entry.is_dir(follow_symlinks=False):
        return "d"
    return "f" if entry.is_file(follow_symlinks=False) else "?"


def folders(folder: RawPath, root: RawPath, warnings: list[str]) -> Iterator[Entry]:
    """Yield the folders in a folder; one that is a link is taken if it stays inside `root`."""
    for entry in entries(folder):
        if entry.is_link and isinstance(entry.path, Path) and entry.path.is_dir():
            if entry.path.resolve().is_relative_to(Path(str(root)).resolve()):
                yield entry._replace(is_dir=True)
            else:
                warnings.append(f"{entry.path} is a link out of the data set, left out")
        elif entry.is_dir:
            yield entry


def is_inside(path: RawPath, root: RawPath, warnings: list[str]) -> bool:
    """Say whether a path is no link, or one that stays in the data set; else note a warning."""
    if isinstance(path, HdfsPath) or isinstance(root, HdfsPath) or not path.is_symlink():
        return True
    if path.resolve().is_relative_to(root.resolve()):
        return True
    warnings.append(
        f"{path} is a link out of the data set, left out; give {path.resolve()} as DATA"
    )
    return False


def folder_files(
    source: RawSource, refuse: Refuse = lambda name, reason: None
) -> Iterator[tuple[str, RawPath, int]]:
    """Yield (unique member name, path, bytes) of a folder's files: those nearest the top first.

    A file in a folder inside takes the folders' names in front, joined by `__`, if its own name was
    met before; a frame of a video always takes the video's. `refuse` is called for hidden files,
    links, pipes and devices.
    """
    prefix = f"{source.path.name}__" if source.frames else ""
    waiting: deque[tuple[RawPath, str]] = deque([(source.path, "")])
    at_top = array("q")  # hashes of names: 8 bytes a file
    met: set[int] = set()  # only filled where there are folders in the folder
    while waiting:
        folder, inside = waiting.popleft()
        for entry in entries(folder, hidden=True):
            if entry.name.startswith("."):
                if not entry.is_dir:
                    refuse(f"{inside}{entry.name}", "side_file")
            elif entry.is_dir:
                waiting.append((entry.path, f"{inside}{entry.name}__"))
            elif not entry.is_file:
                refuse(f"{inside}{entry.name}", "link" if entry.is_link else "not_a_file")
            else:
                name = _new_name(entry.name, inside, met) if inside else entry.name
                (met.add if inside else at_top.append)(hash(name))
                yield f"{prefix}{name}", entry.path, entry.size
        if not inside and waiting:
            met.update(at_top)


def _new_name(name: str, inside: str, met: set[int]) -> str:
    if hash(name) not in met:
        return name
    joined = inside + name
    number = 2
    while hash(joined) in met:  # `a/b__c.JPEG` beside `a__b/c.JPEG`
        joined = f"{inside}{number}__{name}"
        number += 1
    return joined

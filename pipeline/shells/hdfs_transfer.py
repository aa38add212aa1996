"""Files of this machine to HDFS and back: `put` and `get` of the HDFS shell."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from pathlib import Path

from mr_jobs.lib.errors import ConfigError
from pipeline.shells.hdfs_files import Entry, HdfsFiles


def put(files: HdfsFiles, words: list[str], *, force: bool) -> Iterator[str]:
    """Copy local files and directories to HDFS; the last word is the target. Yield what was done.

    Raises
    ------
    ConfigError
        A file is not there or cannot be read; or its target is there, and not `force`.
    """
    *sources, last = words if len(words) > 1 else [*words, "."]
    target = files.path(last)
    there = files.find(target)
    local = [path for word in sources for path in _local(word)]
    if len(local) > 1 and not (there and there.is_dir):
        raise ConfigError(f"{target} is no directory in HDFS; several files need one")
    for path in local:
        place = posixpath.join(target, path.name) if there and there.is_dir else target
        for file, name in _files(path):
            goal = posixpath.join(place, name) if name else place
            old = files.find(goal)
            if old and (old.is_dir or not force):
                raise ConfigError(f"{goal} is there already{'' if old.is_dir else '; put -f'}")
            files.upload(file, goal)
            yield f"{file} → {goal}"


def _local(word: str) -> list[Path]:
    """Return the local files that a word means."""
    path = Path(word).expanduser()
    found = [path] if path.exists() else sorted(path.parent.glob(path.name)) or [path]
    for path in found:
        if not path.exists():
            raise ConfigError(f"{path} is not on this machine")
    return [path.resolve() for path in found]


def _files(path: Path) -> Iterator[tuple[Path, str]]:
    """Yield the files at or below a path, and their names from there."""
    if not path.is_dir():
        yield path, ""
        return
    for each in sorted(path.rglob("*")):
        if each.is_file():
            yield each, each.relative_to(path).as_posix()


def get(files: HdfsFiles, words: list[str], *, force: bool) -> Iterator[str]:
    """Copy files and directories of HDFS to this machine; as `put`. Yield what was done."""
    *sources, last = words if len(words) > 1 else [*words, "."]
    target = Path(last).expanduser()
    entries = [files.entry(path) for word in sources for path in files.matches(word)]
    if len(entries) > 1 and not target.is_dir():
        raise ConfigError(f"{target} is no directory on this machine; several files need one")
    for entry in entries:
        place = target / entry.name if target.is_dir() else target
        for each, path in _wanted(files, entry, place):
            if path.exists() and (path.is_dir() or not force):
                raise ConfigError(f"{path} is there already{'' if path.is_dir() else '; get -f'}")
            _download(files, each, path)
            yield f"{each.path} → {path}"


def _wanted(files: HdfsFiles, entry: Entry, place: Path) -> Iterator[tuple[Entry, Path]]:
    if not entry.is_dir:
        yield entry, place
        return
    for each in files.walk(entry.path):
        if not each.is_dir:
            yield each, place / posixpath.relpath(each.path, entry.path)


def _download(files: HdfsFiles, entry: Entry, path: Path) -> None:
    """Write a file through a temporary one beside it."""
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            file.writelines(files.chunks(entry.path))
        part.rename(path)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)

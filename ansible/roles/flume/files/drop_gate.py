#!/usr/bin/env python3
"""Let images from a drop folder into the folder that Flume reads, each once it is whole.

Flume's spooling source stops for good when a file changes while it is read, follows links, and
waits for ever at a pipe. So it gets a folder that only this program writes to:
a file is moved there when it is a regular one under a decent name, nobody has it open for writing,
and it has not changed for a while.

    drop/n01440764/a.JPEG      the folder is the class
    drop/n01440764_1.JPEG      without one the wnid that the name begins with is, or none
    drop/.a, drop/a.part       left alone: on the way

Everything else stays where it is and is told in the state file, with the reason.
"""

from __future__ import annotations

import argparse
import errno
import fcntl
import json
import os
import re
import shutil
import signal
import stat
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

POLL_S = 0.5
MOST_WAITING = 1000  # files in front of Flume, which lists them all
MOST_TOLD = 20  # refused files by name in the state
INCOMING, COPYING = ".incoming", ".copying"  # in the spool folder; Flume reads nothing hidden
UNLABELLED = "unlabelled"
MAX_NAME_BYTES = 200
PARTIAL = (".part", ".partial", ".tmp", ".crdownload", ".filepart", ".swp", "~")
OWN_SUFFIX = ".completed"  # what Flume takes as done, whatever it is
WNID = re.compile(r"(n\d{8})_")


class Found(NamedTuple):
    """A file in the drop folder: `path` in it, the class, and the reason why it is refused."""

    path: Path
    label: str
    reason: str | None
    facts: tuple[int, int, int]  # inode, bytes, time of change in ns


class Gate:
    """One drop folder and the spool folder behind it."""

    def __init__(self, drop: Path, spool: Path, max_bytes: int, settle_s: float) -> None:
        self.drop, self.spool = drop, spool
        self.max_bytes, self.settle_s = max_bytes, settle_s
        self.taken = 0
        self.waiting = 0
        self.refused: dict[str, str] = {}
        self._seen: dict[Path, tuple[tuple[int, int, int], float]] = {}

    def look(self, now_s: float) -> None:
        """Move what is whole, as far as there is room; note what waits and what is refused."""
        self._finish_moves()
        seen = {}
        self.waiting, self.refused = 0, {}
        room = MOST_WAITING - self._spooled()
        for found in self._files():
            if found.reason:
                self.refused[str(found.path.relative_to(self.drop))] = found.reason
                continue
            facts, since_s = self._seen.get(found.path, (None, now_s))
            if facts != found.facts:
                since_s = now_s
            if room > 0 and now_s - since_s >= self.settle_s and self._take(found):
                room -= 1
                self.taken += 1
            else:
                seen[found.path] = (found.facts, since_s)
                self.waiting += 1
        self._seen = seen

    def state(self) -> dict[str, object]:
        """Tell what the last look found, as the state file has it."""
        told = {ascii(name)[1:-1]: why for name, why in list(self.refused.items())[:MOST_TOLD]}
        return {
            "at_s": time.time(),
            "taken": self.taken,
            "waiting": self.waiting,
            "spooled": self._spooled(),
            "refused": dict(Counter(self.refused.values())),
            "refused_files": told,
        }

    def _spooled(self) -> int:
        """Count the files in front of Flume."""
        return sum(len(_entries(self.spool / folder.name)) for folder in _entries(self.spool))

    def _files(self) -> Iterator[Found]:
        """Yield the files of the folder and of the folders in it, but what is on the way."""
        for entry in _entries(self.drop):
            path = self.drop / entry.name
            if not entry.is_dir(follow_symlinks=False):
                match = WNID.match(entry.name)
                yield from self._file(entry, path, match[1] if match else UNLABELLED)
            elif not decent(entry.name):
                yield Found(path, "", "folder_name", (0, 0, 0))
            else:
                for inner in _entries(path):
                    if inner.is_dir(follow_symlinks=False):
                        yield Found(path / inner.name, "", "folder_in_folder", (0, 0, 0))
                    else:
                        yield from self._file(inner, path / inner.name, entry.name)

    def _file(self, entry: os.DirEntry[str], path: Path, label: str) -> Iterator[Found]:
        try:
            status = entry.stat(follow_symlinks=False)
        except OSError:
            return  # gone meanwhile
        yield Found(path, label, self.refusal(entry.name, status), _facts(status))

    def refusal(self, name: str, status: os.stat_result) -> str | None:
        """Say in a short word why a file is not let in; None if it is."""
        if not stat.S_ISREG(status.st_mode):
            return "link" if stat.S_ISLNK(status.st_mode) else "not_a_file"
        if not decent(name) or name.lower().endswith(OWN_SUFFIX):
            return "name"
        if status.st_size > self.max_bytes:
            return "too_large"
        return None if status.st_size else "empty"

    def _take(self, found: Found) -> bool:
        """Move a file in front of Flume; say whether it went. One of that name there goes first."""
        incoming = self.spool / INCOMING / found.label / found.path.name
        if incoming.exists() or self._target(incoming).exists() or is_written(found.path):
            return False
        incoming.parent.mkdir(parents=True, exist_ok=True)
        try:
            found.path.rename(incoming)
        except OSError as error:
            if error.errno != errno.EXDEV:
                return False  # gone, or not ours to move
            return self._copy(found, incoming)
        if _facts(incoming.lstat()) != found.facts:
            incoming.rename(found.path)  # it was swapped or written to: it waits on
            return False
        self._let_in(incoming)
        return True

    def _copy(self, found: Found, incoming: Path) -> bool:
        """Bring a file from another file system; a link in its place is not followed."""
        copy = self.spool / COPYING
        try:
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
            with os.fdopen(os.open(found.path, flags), "rb") as source:
                facts = _facts(os.fstat(source.fileno()))
                with copy.open("wb") as out:
                    shutil.copyfileobj(source, out)
                    out.flush()
                    os.fsync(out.fileno())
                if not facts == _facts(os.fstat(source.fileno())) == found.facts:
                    return False
            copy.rename(incoming)
            found.path.unlink()
        except OSError:
            return False
        self._let_in(incoming)
        return True

    def _target(self, incoming: Path) -> Path:
        return self.spool / incoming.parent.name / incoming.name

    def _let_in(self, incoming: Path) -> None:
        self._target(incoming).parent.mkdir(exist_ok=True)
        incoming.rename(self._target(incoming))

    def _finish_moves(self) -> None:
        """Let in what a gate that was killed had moved already, unless its name is taken."""
        for incoming in self.spool.glob(f"{INCOMING}/*/*"):
            if not self._target(incoming).exists():
                self._let_in(incoming)


def is_written(path: Path) -> bool:
    """Say whether somebody on this machine has a file open for writing, as far as can be told.

    The kernel gives a read lease only where nobody has. Source: fcntl(2), F_SETLEASE.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return True  # it is no longer what it was
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as error:
        return error.errno == errno.EAGAIN  # else another's file, or a file system without leases
    finally:
        os.close(descriptor)  # the lease ends with it
    return False


def _facts(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_ino, status.st_size, status.st_mtime_ns


def decent(name: str) -> bool:
    """Say whether a name is UTF-8 text of one line and of moderate length."""
    return name.isprintable() and len(name.encode("utf-8", "replace")) <= MAX_NAME_BYTES


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """List a folder, but what is on the way into it; nothing if it is gone."""
    try:
        with os.scandir(folder) as found:
            entries = list(found)
    except OSError:
        return []
    return [e for e in entries if not e.name.startswith(".") and not e.name.endswith(PARTIAL)]


def write_state(path: Path, state: dict[str, object]) -> None:
    """Write the state, whole or not at all."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps(state) + "\n", encoding="utf-8")
    part.replace(path)


def main() -> None:
    """Watch until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--drop", type=Path, required=True)
    parser.add_argument("--spool", type=Path, required=True)
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--settle-s", type=float, required=True)
    parser.add_argument("--max-bytes", type=int, required=True)
    # what the process is known by in the cluster is not for the program
    args = parser.parse_args([word for word in sys.argv[1:] if not word.startswith("-D")])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.signal(signal.SIGIO, signal.SIG_IGN)  # somebody wants to write where a lease is held
    gate = Gate(args.drop, args.spool, args.max_bytes, args.settle_s)
    while True:
        gate.look(time.monotonic())
        write_state(args.state, gate.state())
        time.sleep(POLL_S)


if __name__ == "__main__":
    main()

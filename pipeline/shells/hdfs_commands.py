"""The commands of the HDFS shell: names and options as Hadoop's own `hdfs dfs` has them."""

from __future__ import annotations

import gzip
import posixpath
from collections import deque
from collections.abc import Iterator
from itertools import islice
from typing import BinaryIO, TextIO

from mr_jobs.lib.errors import ConfigError, DataError
from mr_jobs.lib.sequencefile import Reader
from mr_jobs.lib.shown import shown, shown_lines
from pipeline.shells.console import LeaveError
from pipeline.shells.hdfs_files import Entry, HdfsFiles
from pipeline.shells.hdfs_words import Call, aligned, row_of, size_text

_LINES = 10  # of head, tail and text, unless told
_LINE_BYTES = 1 << 16  # at most shown of one
_TAIL_BYTES = 1 << 20
_KEY_CHARACTERS = 60


class Commands:
    """What each command does, to files of a cluster.

    Parameters
    ----------
    files : the cluster's, with the working directory.
    out : where answers go; bytes as they are if it is no terminal.
    """

    def __init__(self, files: HdfsFiles, out: TextIO) -> None:
        self.files = files
        self._out = out

    def say(self, line: str) -> None:
        """Print a line, in which nothing can act on a terminal."""
        self._out.write(shown(line, keep="\t") + "\n")

    def _say_bytes(self, content: bytes) -> None:
        """Print bytes: as they are for a program, as harmless text for a person."""
        binary = None if self._out.isatty() else getattr(self._out, "buffer", None)
        if binary is None:  # a terminal, or a notebook
            self._out.write(shown_lines(content.decode(errors="replace")))
        else:
            self._out.flush()
            binary.write(content)

    def _paths(self, call: Call) -> list[str]:
        """Return the paths that a line names; the working directory if none."""
        return [path for word in call.words or ["."] for path in self.files.matches(word)]

    def _path(self, call: Call) -> str:
        """Return the one path that a line names."""
        paths = self.files.matches(call.words[0])
        if len(paths) > 1:
            raise ConfigError(f"{call.words[0]} means {len(paths)} files; {call.name} takes one")
        return paths[0]

    def ls(self, call: Call) -> None:
        """Print the entries of directories."""
        for path in self._paths(call):
            find = self.files.walk if "R" in call.flags else self.files.entries
            entries = iter([self.files.entry(path)] if "d" in call.flags else find(path))
            while rows := [row_of(e, human="h" in call.flags) for e in islice(entries, 1000)]:
                for line in aligned(rows, right=frozenset([4])):
                    self.say(line)

    def tree(self, call: Call) -> None:
        """Print directories as trees."""
        for path in self._paths(call):
            self.say(path)
            self._branches(path, "", call.number)

    def _branches(self, path: str, before: str, depth: int | None) -> None:
        if depth == 0:
            return
        entries = list(self.files.entries(path))
        for entry in entries:
            last = entry is entries[-1]
            told = "/" if entry.is_dir else f"  ({size_text(entry.length, human=True)})"
            self.say(f"{before}{'└── ' if last else '├── '}{entry.name}{told}")
            if entry.is_dir:
                deeper = None if depth is None else depth - 1
                self._branches(entry.path, before + ("    " if last else "│   "), deeper)

    def cat(self, call: Call) -> None:
        """Print files whole."""
        for word in call.words:
            for path in self.files.matches(word):
                for number, chunk in enumerate(self.files.chunks(path)):
                    if number == 0 and b"\0" in chunk and self._out.isatty():
                        raise ConfigError(
                            f"{path} is no text: `text` shows a SequenceFile, `get` copies it"
                        )
                    self._say_bytes(chunk)

    def head(self, call: Call) -> None:
        """Print the first lines of a file."""
        with self.files.open(self._path(call)) as file:
            for _ in range(_LINES if call.number is None else call.number):
                self._say_bytes(file.readline(_LINE_BYTES))

    def tail(self, call: Call) -> None:
        """Print the last lines of a file, of its last MiB."""
        path = self._path(call)
        with self.files.open(path) as file:
            file.seek(max(0, self.files.entry(path).length - _TAIL_BYTES))
            lines = deque(file, maxlen=_LINES if call.number is None else call.number)
        for line in lines:
            self._say_bytes(line)

    def text(self, call: Call) -> None:
        """Print the first records of a SequenceFile, or lines of a file that may be zipped."""
        path = self._path(call)
        n_records = _LINES if call.number is None else call.number
        with self.files.open(path) as file:
            magic = file.read(3)
            file.seek(0)
            if magic == b"SEQ":
                for line in islice(_records(file, path), 1 + n_records):
                    self.say(line)
                return
            lines = gzip.GzipFile(fileobj=file) if magic[:2] == b"\x1f\x8b" else file
            try:
                for _ in range(n_records):
                    self._say_bytes(lines.readline(_LINE_BYTES))
            except (EOFError, OSError) as error:
                raise DataError(f"{path} is damaged: {error}") from error

    def du(self, call: Call) -> None:
        """Print how much is in files and directories, and on disks with all replicas."""
        rows = []
        for path in self._paths(call):
            there = [self.files.entry(path)] if "s" in call.flags else self.files.entries(path)
            for entry in there:
                found = self.files.ask("GETCONTENTSUMMARY", entry.path)["ContentSummary"]
                sizes = (int(found["length"]), int(found["spaceConsumed"]))
                shown_sizes = [size_text(size, human="h" in call.flags) for size in sizes]
                rows.append((*shown_sizes, entry.path))
        for line in aligned(rows, right=frozenset([0, 1])):
            self.say(line)

    def df(self, _: Call) -> None:
        """Print how full the cluster's disks are."""
        found = self.files.ask("GETSTATUS", "/")["FsStatus"]
        for name in ("capacity", "used", "remaining"):
            self.say(f"{name:10} {size_text(int(found[name]), human=True)}")

    def stat(self, call: Call) -> None:
        """Print all that the NameNode knows of files: their blocks and where these are, too."""
        for path in self._paths(call):
            entry = self.files.entry(path)
            self.say("  ".join(row_of(entry, human=True)))
            if entry.is_dir:
                found = self.files.ask("GETCONTENTSUMMARY", path)["ContentSummary"]
                counts = f"{found['directoryCount']} directories, {found['fileCount']} files"
                self.say(f"{counts}, {size_text(int(found['length']), human=True)}")
                continue
            blocks = self.files.blocks(path)
            each = size_text(entry.block_bytes, human=True)
            self.say(f"blocks of at most {each}, of each so many replicas: {entry.replication}")
            for number, block in enumerate(blocks):
                hosts = ", ".join(map(str, block["names"]))
                self.say(f"block {number}: {block['length']} bytes at {block['offset']}: {hosts}")

    def mkdir(self, call: Call) -> None:
        """Make directories, with those above them."""
        for word in call.words:
            path = self.files.path(word)
            there = self.files.find(path)
            if there and not ("p" in call.flags and there.is_dir):
                raise ConfigError(f"{path} is there already")
            self.files.ask("MKDIRS", path, "PUT")

    def rm(self, call: Call) -> None:
        """Remove files, and with -r directories: there is no way back."""
        for path in self._paths(call):
            entry = self.files.entry(path)
            if path == "/":
                raise ConfigError("rm: / is all of HDFS; name what is in it")
            if entry.is_dir and "r" not in call.flags:
                raise ConfigError(f"{path} is a directory: rm -r removes it with all in it")
            self.files.ask("DELETE", path, "DELETE", recursive="true")
            self.say(f"removed {path}")

    def mv(self, call: Call) -> None:
        """Move files, to a new name or into a directory."""
        for entry, target in self._pairs(call):
            answer = self.files.ask("RENAME", entry.path, "PUT", destination=target)
            if not answer.get("boolean"):
                raise ConfigError(f"{entry.path} cannot be moved to {target}")

    def cp(self, call: Call) -> None:
        """Copy files, through this machine."""
        for entry, target in self._pairs(call):
            self.files.copy(entry.path, target)

    def _pairs(self, call: Call) -> Iterator[tuple[Entry, str]]:
        """Yield what to move or copy, and a path for it that is free."""
        *words, last = call.words
        target = self.files.path(last)
        there = self.files.find(target)
        sources = [path for word in words for path in self.files.matches(word)]
        if len(sources) > 1 and not (there and there.is_dir):
            raise ConfigError(f"{target} is no directory; several files need one")
        for path in sources:
            entry = self.files.entry(path)
            place = posixpath.join(target, entry.name) if there and there.is_dir else target
            if self.files.find(place):
                raise ConfigError(f"{place} is there already")
            yield entry, place

    def chmod(self, call: Call) -> None:
        """Change who may read and write."""
        mode, *words = call.words
        if not mode.isdecimal():
            raise ConfigError(f"chmod wants a mode of octal digits, such as 755, not {mode}")
        for word in words:
            for path in self.files.matches(word):
                self.files.ask("SETPERMISSION", path, "PUT", permission=mode)

    def cd(self, call: Call) -> None:
        """Change the working directory."""
        path = self.files.path(call.words[0]) if call.words else self.files.home
        if not self.files.entry(path).is_dir:
            raise ConfigError(f"{path} is no directory")
        self.files.here = path

    def pwd(self, _: Call) -> None:
        """Print the working directory."""
        self.say(self.files.here)

    def leave(self, _: Call) -> None:
        """End the shell."""
        raise LeaveError


def _records(file: BinaryIO, path: str) -> Iterator[str]:
    reader = Reader(file, path)
    yield f"SequenceFile of {reader.key_class}, {reader.value_class}"
    for record in reader.records():
        key = record.key.decode(errors="replace") if isinstance(record.key, bytes) else record.key
        value = record.value
        told = f"{len(value)} bytes" if isinstance(value, bytes) else str(value)
        yield f"{str(key)[:_KEY_CHARACTERS]}\t{told[:_LINE_BYTES]}"

"""The HDFS shell: Hadoop's commands on files, without its second of start-up for each.

Source: Hadoop's FileSystem shell, whose names, options and order of columns these are.
"""

from __future__ import annotations

from pathlib import Path
from typing import TextIO

from pipeline.cluster import Cluster
from pipeline.shells import hdfs_transfer
from pipeline.shells.console import LineShell
from pipeline.shells.hdfs_commands import Commands
from pipeline.shells.hdfs_files import HdfsFiles
from pipeline.shells.hdfs_words import Call, Command, last_word, parse, quoted

_MOST_COMPLETIONS = 200


class HdfsCommands(Commands):
    """All commands: those on files of HDFS, and those that bring some there or from there."""

    def put(self, call: Call) -> None:
        """Copy local files to HDFS."""
        for line in hdfs_transfer.put(self.files, call.words, force="f" in call.flags):
            self.say(line)

    def get(self, call: Call) -> None:
        """Copy files of HDFS to this machine."""
        for line in hdfs_transfer.get(self.files, call.words, force="f" in call.flags):
            self.say(line)

    def show_help(self, _: Call) -> None:
        """Print what there is."""
        width = max(len(command.usage) for command in COMMANDS.values())
        for command in COMMANDS.values():
            self.say(f"  {command.usage:{width}}  {command.help}")


_C = HdfsCommands
COMMANDS: dict[str, Command] = {
    "ls": Command(_C.ls, "ls [-R] [-h] [-d] [PATH …]", "what is in a directory", "Rhd"),
    "tree": Command(_C.tree, "tree [-L N] [PATH]", "all below, N levels deep", "", "L", 0, 1),
    "cat": Command(_C.cat, "cat PATH …", "a file, whole", least=1),
    "head": Command(_C.head, "head [-n N] PATH", "its first lines", "", "n", 1, 1),
    "tail": Command(_C.tail, "tail [-n N] PATH", "its last lines", "", "n", 1, 1),
    "text": Command(
        _C.text, "text [-n N] PATH", "records of a SequenceFile, lines of a .gz", "", "n", 1, 1
    ),
    "du": Command(_C.du, "du [-h] [-s] [PATH …]", "bytes, and bytes on disks", "hs"),
    "df": Command(_C.df, "df", "how full the cluster is", most=0),
    "stat": Command(_C.stat, "stat [PATH …]", "owner, times, blocks and where they are"),
    "put": Command(_C.put, "put [-f] LOCAL … [PATH]", "from this machine to HDFS", "f", "", 1),
    "get": Command(_C.get, "get [-f] PATH … [LOCAL]", "from HDFS to this machine", "f", "", 1),
    "mkdir": Command(_C.mkdir, "mkdir [-p] PATH …", "make a directory", "p", "", 1),
    "mv": Command(_C.mv, "mv PATH … NEW", "move, rename", "", "", 2),
    "cp": Command(_C.cp, "cp PATH … NEW", "copy", "", "", 2),
    "rm": Command(_C.rm, "rm [-r] PATH …", "remove, for good", "r", "", 1),
    "chmod": Command(_C.chmod, "chmod MODE PATH …", "who may read and write", "", "", 2),
    "cd": Command(_C.cd, "cd [PATH]", "change the working directory", most=1),
    "pwd": Command(_C.pwd, "pwd", "print the working directory", most=0),
    "help": Command(_C.show_help, "help", "this list"),
    "exit": Command(_C.leave, "exit", "or Ctrl-D"),
}


class HdfsShell(LineShell):
    """The shell over the HDFS of a cluster."""

    delimiters = " \t\n/"  # completions show names, not whole paths

    def __init__(self, cluster: Cluster, out: TextIO) -> None:
        super().__init__(out)
        self._cluster = cluster
        self._files = HdfsFiles(cluster)
        self._commands = HdfsCommands(self._files, out)
        if self._files.find(self._files.home) is None:
            self._files.here = "/"

    @property
    def prompt(self) -> str:
        """The working directory."""
        return f"hdfs:{self._files.here}> "

    def banner(self) -> str:
        """Return where this is, and what to try."""
        ours = self._cluster.in_hdfs("images")
        return (
            f"HDFS of cluster {self._cluster.name}, {self._cluster.fs_uri}, as {self._files.user}\n"
            f"  ls /                    tree -L 2 {ours}\n"
            f"  du -h {ours:16}  stat PATH (its blocks, and where they are)\n"
            "  put photo.jpg /tmp      get /tmp/photo.jpg copy.jpg\n"
            "help lists all, Tab completes paths, Ctrl-D leaves"
        )

    def take(self, line: str) -> None:
        """Do a command."""
        call = parse(line, COMMANDS)
        if call:
            COMMANDS[call.name].run(self._commands, call)

    def complete(self, before: str, word: str) -> list[str]:
        """Complete a command or a path: of HDFS, but here for what `put` takes and `get` makes."""
        words = before.split()
        if len(words) < 2 and not before.endswith(" "):
            return [f"{name} " for name in COMMANDS if name.startswith(word)]
        typed = last_word(before)
        is_first = len(words) - (not before.endswith(" ")) < 2
        if (words[0] == "put") == is_first and words[0] in ("put", "get"):
            found = _local_paths(typed)
        else:
            found = self._paths(typed)
        # what readline replaces is the end of what is typed
        skip = len(quoted(typed)) - len(word)
        return [each[skip:] for each in found]

    def _paths(self, typed: str) -> list[str]:
        folder, slash, start = typed.rpartition("/")
        found = []
        for entry in self._files.entries(self._files.path(f"{folder}{slash}" or ".")):
            if entry.name > start and not entry.name.startswith(start):
                break  # they come sorted
            if entry.name.startswith(start):
                end = "/" if entry.is_dir else " "
                found.append(quoted(f"{folder}{slash}{entry.name}") + end)
            if len(found) == _MOST_COMPLETIONS:
                break
        return found


def _local_paths(typed: str) -> list[str]:
    folder, slash, start = typed.rpartition("/")
    place = Path(f"{folder}{slash}" or ".").expanduser()
    names = sorted(path.name for path in place.iterdir() if path.name.startswith(start))
    return [
        quoted(f"{folder}{slash}{name}") + ("/" if (place / name).is_dir() else " ")
        for name in names[:_MOST_COMPLETIONS]
    ]

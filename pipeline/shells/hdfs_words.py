"""Read the lines of the HDFS shell: words, quotes, options; and show sizes and times."""

from __future__ import annotations

import shlex
import stat
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from mr_jobs.lib.errors import ConfigError
from pipeline.shells.hdfs_files import Entry

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_SPECIAL = frozenset(" \t'\"\\|&;<>()$`")
_PREFIXES = (("hdfs", "dfs"), ("hadoop", "fs"), ("hdfs",), ("hadoop",))


class Command(NamedTuple):
    """A command of the shell.

    `flags` are its options without a value, by letter; `number` the letter of the one with a
    number; `least` and `most` say how many words it takes, `most` None any number.
    """

    run: Callable[..., None]
    usage: str
    help: str
    flags: str = ""
    number: str = ""
    least: int = 0
    most: int | None = None


class Call(NamedTuple):
    """A line as it is meant: the command's name, its flags, its number, its words."""

    name: str
    flags: frozenset[str]
    number: int | None
    words: list[str]


def parse(line: str, commands: Mapping[str, Command]) -> Call | None:
    """Read a line; None if it says nothing.

    What people know works, too: `hdfs dfs -ls /`, `hadoop fs -ls /`, `-ls /`.

    Raises
    ------
    ConfigError
        There is no such command, or it does not take what it is given.
    """
    words = _split(line)
    for prefix in _PREFIXES:
        if tuple(words[: len(prefix)]) == prefix:
            words = words[len(prefix) :]
            break
    if not words:
        return None
    name = words[0].removeprefix("-")
    if name not in commands:
        raise ConfigError(f"no command {words[0]}; there: {', '.join(commands)}")
    return _call(name, words[1:], commands[name])


def _split(line: str) -> list[str]:
    try:
        return [] if line.lstrip().startswith("#") else shlex.split(line)
    except ValueError as error:
        raise ConfigError(f"the line is not complete: {str(error).lower()}") from error


def _call(name: str, words: list[str], command: Command) -> Call:
    flags: set[str] = set()
    number = None
    while words and len(words[0]) > 1 and words[0][0] == "-":
        option = words.pop(0)[1:]
        if option == command.number:
            number = _number(name, option, words)
        elif set(option) <= set(command.flags):
            flags |= set(option)
        elif option.isdecimal() and command.number:  # head -20
            number = int(option)
        else:
            raise ConfigError(f"{name} has no option -{option}: {command.usage}")
    if len(words) < command.least or (command.most is not None and len(words) > command.most):
        raise ConfigError(f"{name} wants {command.usage}")
    return Call(name, frozenset(flags), number, words)


def _number(name: str, option: str, words: list[str]) -> int:
    if not words or not words[0].isdecimal():
        raise ConfigError(f"{name}: a whole number belongs after -{option}")
    return int(words.pop(0))


def quoted(path: str) -> str:
    r"""Write a path so that it is one word.

    >>> print(quoted("/a b/it's"))
    /a\ b/it\'s
    """
    return "".join(f"\\{c}" if c in _SPECIAL else c for c in path)


def last_word(line: str) -> str:
    r"""Return the word that a line ends in, as it would be read; "" at the start of a new one.

    >>> last_word("ls /a\\ b"), last_word("ls "), last_word('ls "/a b')
    ('/a b', '', '/a b')
    """
    word, quote, escaped = "", "", False
    for c in line:
        if escaped:
            word, escaped = word + c, False
        elif c == "\\" and quote != "'":
            escaped = True
        elif c in ("'", '"') and quote in ("", c):
            quote = "" if quote else c
        elif c.isspace() and not quote:
            word = ""
        else:
            word += c
    return word


def size_text(n_bytes: int, *, human: bool) -> str:
    """Write a size.

    >>> size_text(1536, human=True), size_text(1536, human=False), size_text(7, human=True)
    ('1.5 KiB', '1536', '7 B')
    """
    if not human:
        return str(n_bytes)
    size, unit = float(n_bytes), 0
    while size >= 1024 and unit < len(_UNITS) - 1:
        size, unit = size / 1024, unit + 1
    return f"{size:.1f} {_UNITS[unit]}" if unit else f"{n_bytes} B"


def time_text(milliseconds: int) -> str:
    """Write a time, to the minute, of this machine's zone."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).astimezone().strftime("%Y-%m-%d %H:%M")


def row_of(entry: Entry, *, human: bool) -> tuple[str, ...]:
    """Return what `ls` shows of a file, in the order of Hadoop's own."""
    kind = stat.S_IFDIR if entry.is_dir else stat.S_IFREG
    return (
        stat.filemode(kind | entry.mode),
        str(entry.replication) if entry.replication else "-",
        entry.owner,
        entry.group,
        size_text(entry.length, human=human),
        time_text(entry.modified_ms),
        entry.path,
    )


def aligned(rows: list[tuple[str, ...]], right: frozenset[int]) -> list[str]:
    """Return rows as lines of columns, those of `right` to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if place in right else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]

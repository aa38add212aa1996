"""Read files that a stranger may have made: plain files of a bounded size, and JSON of any depth.

A directory that came from elsewhere, such as a saved model, can hold a link to a file of the
reader's own, a pipe that never ends a read, a file without an end, or JSON nested to hurt.
"""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import Any

NO_PLAIN_FILE = "is a link, a pipe or a device, no plain file"
_MAX_LINE_BYTES = 1 << 20


def open_plain(path: Path) -> BufferedReader:
    """Open a file for reading that is neither a link nor anything that could make a reader wait.

    Raises
    ------
    OSError
        It cannot be opened, or is no plain file; `strerror` says so.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise OSError(error.errno, NO_PLAIN_FILE, str(path)) from error
        raise
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, NO_PLAIN_FILE, str(path))
    return os.fdopen(handle, "rb")


def read_plain(path: Path, most_bytes: int) -> bytes:
    """Read a file of `open_plain`.

    Raises
    ------
    OSError
        It cannot be opened, is no plain file, or is larger than `most_bytes`.
    """
    with open_plain(path) as file:
        content = file.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise OSError(errno.EFBIG, f"is larger than {most_bytes >> 20} MiB", str(path))
    return content


def plain_lines(path: Path) -> Iterator[str]:
    r"""Yield the lines of a file of `open_plain` in UTF-8; only `\n` ends a line.

    Raises
    ------
    OSError
        It cannot be opened, or is no plain file.
    ValueError
        It is not UTF-8, or a line is longer than a mebibyte.
    """
    with open_plain(path) as file:
        while line := file.readline(_MAX_LINE_BYTES):
            if len(line) == _MAX_LINE_BYTES:
                raise ValueError(f"a line of {_MAX_LINE_BYTES >> 20} MiB or more")
            yield line.decode()


def write_new(path: Path, content: bytes) -> None:
    """Write a file in place of whatever has its name; a link there is not followed.

    Raises
    ------
    OSError
        The disk refuses.
    """
    path.unlink(missing_ok=True)
    with path.open("xb") as file:
        file.write(content)


def parse_json(content: bytes | str) -> Any:  # noqa: ANN401  # whatever it holds
    """Parse JSON.

    Raises
    ------
    ValueError
        It is none, not UTF-8, or nested deeper than Python can follow.
    """
    try:
        return json.loads(content)
    except RecursionError as error:
        raise ValueError("nested too deep") from error

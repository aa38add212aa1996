"""Find why a task failed: the Python traceback in the standard error that it left."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

_START = "Traceback (most recent call last):"
_TAIL_BYTES = 200_000
_MAX_LINES = 40
_DATA_ERROR = re.compile(
    r"^mr_jobs\.lib\.errors\.(?:DataError|BundleError|ImageError): (.+)$", re.MULTILINE
)
_JAVA_DAMAGE = re.compile(
    r"^.*(?:ChecksumException|File is corrupt!|EOFException|not a SequenceFile).*$", re.MULTILINE
)


def from_files(paths: Iterable[Path]) -> str | None:
    """Return the last Python traceback found in a task's standard error, or None."""
    for path in sorted(paths):
        text = _tail(path)
        start = text.rfind(_START)
        if start >= 0:
            return "\n" + "\n".join(_of_traceback(text[start:]))
    return None


def from_containers(logs: Path) -> str | None:
    """Look into an application's containers: for a Python traceback, else for Java's complaint."""
    traceback = from_files(logs.glob("container_*/stderr"))
    if traceback:
        return traceback
    for path in sorted(logs.glob("container_*/syslog*")):
        found = _JAVA_DAMAGE.search(_tail(path))
        if found:
            return found.group(0).strip()
    return None


def data_error(cause: str | None) -> str | None:
    """Return the sentence of a DataError that a traceback ends in, or None."""
    found = _DATA_ERROR.search(cause or "")
    return found.group(1) if found else None


def _of_traceback(text: str) -> list[str]:
    """Cut a traceback out of a log: it ends with the line of the exception."""
    lines = text.splitlines()
    for number, line in enumerate(lines[1:], start=1):
        if line and not line[0].isspace():
            return lines[: number + 1][-_MAX_LINES:]
    return lines[:_MAX_LINES]


def _tail(path: Path) -> str:
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _TAIL_BYTES))
        return file.read().decode("utf-8", "replace")

"""Find why a task failed: the Python traceback or Java's complaint in the logs that it left."""

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
    r"^.*(?:ChecksumException|BlockMissingException|Could not obtain block|File is corrupt!"
    r"|EOFException|not a SequenceFile).*$",
    re.MULTILINE,
)
_DIED = re.compile(  # with the trace of the exception, whose lines carry no date
    r"Exception running .*child.*"
    r"(?:\n(?:\s+at |\s+\.{3} |Caused by: |[\w.$]+(?:Exception|Error)).*)*"
)
_SPLIT = re.compile(r"Processing split: (.+)$", re.MULTILINE)
_BUNDLE = re.compile(r"[^\s/,:=]+\.seq\b")
_MAX_NAMED = 3
_SAID = 200
_NO_PROGRAM = re.compile(r'Cannot run program "[^"]+": error=(?:2|13),.*$', re.MULTILINE)


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
        text = _tail(path)
        missing = _NO_PROGRAM.search(text)
        if missing:
            return f"{missing.group(0)}: each host of the cluster needs it, see --python"
        found = _JAVA_DAMAGE.search(text)
        if found:
            return found.group(0).strip()
    return None


def damaged_bundles(logs: Path) -> str | None:
    """Say which bundles a task died of, in an application's logs; None if it was not of one."""
    damage = _fatal_damage(logs)
    if damage is None:
        return None
    complaint, split = damage
    names = sorted({*_BUNDLE.findall(complaint)} or {*_BUNDLE.findall(split)})
    if not names:
        return None
    more = f" and {len(names) - _MAX_NAMED} more" if len(names) > _MAX_NAMED else ""
    which = " or ".join(names[:_MAX_NAMED]) + more
    said = complaint.rpartition("Exception: ")[2] or complaint
    return (
        f"{which} is damaged in HDFS ({said[:_SAID]}); `bin/pipeline verify` says which images are "
        "lost"
    )


def _fatal_damage(logs: Path) -> tuple[str, str] | None:
    """Return the exception that a task died of while it read, and the input split that it read.

    What HDFS complained of and read elsewhere, and connections that ended, are not damage.
    """
    for path in sorted(logs.glob("container_*/syslog*")):
        text = _tail(path)
        for died in _DIED.finditer(text):
            found = _JAVA_DAMAGE.search(died.group(0))
            if found and ("EOFException" not in found.group(0) or "SequenceFile" in died.group(0)):
                splits = _SPLIT.findall(text[: died.start()])
                return found.group(0).strip(), splits[-1] if splits else ""
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

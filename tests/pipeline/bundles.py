"""Change what is in a SequenceFile."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from mr_jobs.lib.sequencefile import Writer, open_reader


def write(path: Path, pairs: Iterable[tuple[Any, Any]]) -> None:
    """Write a SequenceFile again with other records."""
    with open_reader(path) as reader:
        sync = reader.sync
    with path.open("wb") as file, Writer(file, sync=sync) as writer:
        for key, value in pairs:
            writer.append(key, value)


def rewrite(path: Path, keep: Callable[[Any, Any], bool]) -> None:
    """Write a SequenceFile again with the records that `keep` takes."""
    with open_reader(path) as reader:
        pairs = [record[:2] for record in reader.records() if keep(*record[:2])]
    write(path, pairs)


def remove_one(folder: Path, prefix: str = "") -> str:
    """Take one record out of the SequenceFiles of a folder; return its key.

    `prefix` is what the record's key begins with.
    """
    path, gone = next(
        (path, key)
        for path in sorted(folder.iterdir())
        if path.name[0] not in "._"
        for key in _keys(path)
        if key.startswith(prefix)
    )
    rewrite(path, lambda key, _: key.decode() != gone)
    return gone


def _keys(path: Path) -> list[str]:
    with open_reader(path) as reader:
        return [bytes(record.key).decode() for record in reader.records()]  # type: ignore[arg-type]

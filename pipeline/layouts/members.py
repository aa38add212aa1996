"""The members of a tar in a range of a file, and what is wrong with the tar."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from itertools import islice

from mr_jobs.lib.errors import DataError
from mr_jobs.lib.rawtar import Member, walk_members
from pipeline.layouts.raw import RawPath

_PEEKED = 8  # members: enough for an image and its labels


def checked_members(
    path: RawPath, offset: int, length: int, warnings: list[str], allow_damaged: bool
) -> Iterator[Member]:
    """Yield the members of the tar in a range of a file; their offsets are the file's.

    Raises
    ------
    DataError
        When the tar does not end as a tar does, unless `allow_damaged`: then a warning is noted
        and the whole members before the damage are all that is yielded.
    """
    with path.open("rb") as file:
        try:
            yield from walk_members(file, offset, offset + length)
        except tarfile.ReadError as error:
            at = getattr(error, "at", offset)
            if not allow_damaged:
                raise DataError(
                    f"{path}: {error} at byte {at}; fetch the file again, or pass --allow-damaged "
                    "to use the images before it"
                ) from error
            warnings.append(f"{path.name}: {error} at byte {at}; the rest of it is left out")


def first_members(path: RawPath, n_bytes: int) -> list[Member]:
    """Return the first members that are no directories; what is before any damage."""
    members = checked_members(path, 0, n_bytes, [], allow_damaged=True)
    return list(islice((m for m in members if m.refused != "directory"), _PEEKED))

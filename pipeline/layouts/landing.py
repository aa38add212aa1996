"""Flume's landing files: Avro files in a folder, in which each event is an image with its name.

The event's header `file` is the path that the agent read, `<class>/<name>` at its end; the folder
`unlabelled` stands for no class. Both are hostile until checked: whoever may write to the folder
may have written the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from mr_jobs.lib.imagenet import UNLABELLED, is_wnid
from mr_jobs.lib.rawtar import MAX_IMAGE_BYTES, Member, refusal
from pipeline.layouts.avro import Event, events, is_event_file
from pipeline.layouts.listing import entries
from pipeline.layouts.raw import RawPath, RawSource

SUFFIX = ".avro"
RECOVERED = ".recovered.avro"  # what `bin/pipeline land` calls one whose writer was killed


def landing_sources(root: RawPath) -> list[RawSource]:
    """List the landing files of a folder that are closed; none if it is another kind of folder."""
    found = [
        RawSource("train", "", e.path, 0, e.size, "landing", e.name.removesuffix(SUFFIX))
        for e in entries(root)
        if e.is_file and e.name.endswith(SUFFIX)
    ]
    if not found:
        return []
    with found[0].path.open("rb") as file:
        return found if is_event_file(file, cut=_is_cut(found[0])) else []


def landed_members(source: RawSource) -> Iterator[tuple[Member, str]]:
    """Yield the images of a landing file, each with its class, which is empty where it has none.

    A member's `offset` and `data_offset` are where its bytes begin. Constant memory.

    Raises
    ------
    DataError
        When the file is damaged.
    """
    too_large = ""  # path of a file that the agent has cut in pieces
    with source.path.open("rb") as file:
        for event in events(file, str(source.path), cut=_is_cut(source)):
            path = event.headers.get("file", "")
            name, label, reason = _checked(event, path)
            if path and path == too_large:
                reason = "too_large"  # the next piece
            else:
                too_large = path if event.size > MAX_IMAGE_BYTES else ""
            yield Member(name, event.offset, event.offset, event.size, reason), label


def _is_cut(source: RawSource) -> bool:
    return source.path.name.endswith(RECOVERED)


def _checked(event: Event, path: str) -> tuple[str, str, str | None]:
    """Return name, class, and why the event is not taken as an image."""
    place = PurePosixPath(path)
    name = event.headers.get("basename", place.name)
    label = place.parent.name
    if not name or "/" in name or name != place.name or not is_wnid(label):
        return name or "?", "", "unsafe_name"
    return name, "" if label == UNLABELLED else label, refusal(name, event.size)

"""List the images of a raw source, with where each is, whatever kind of source it is."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from mr_jobs.lib.imagenet import ImageKey
from mr_jobs.lib.rawtar import Member, refusal, safe_name
from pipeline.layouts import (
    RawData,
    RawPath,
    RawSource,
    checked_members,
    folder_files,
    landed_members,
    webdataset_labels,
)


class RawMember(NamedTuple):
    """A member of a source: an image, or what is `refused` as one.

    `label` is its own wnid, or empty; `path` is the file itself in a folder, else None.
    """

    member: Member
    label: str = ""
    path: RawPath | None = None


class SourceFacts(NamedTuple):
    """What changes when a source does: its place, its bytes, and names and times of its files."""

    path: str
    offset: int
    n_bytes: int
    changes: str


def raw_members(source: RawSource, data: RawData, *, allow_damaged: bool) -> Iterator[RawMember]:
    """Yield the members of a source, in order, in constant memory; directories are left out.

    Raises
    ------
    DataError
        When a tar does not end as a tar does, unless `allow_damaged`: then a warning is noted and
        the whole members before the damage are all that is yielded.
    """
    if source.kind == "webdataset":
        shard = webdataset_labels(source, data.wnids, data.warnings, allow_damaged=allow_damaged)
        yield from (RawMember(member, label) for member, label in shard)
        return
    if source.kind == "landing":
        yield from (RawMember(member, label) for member, label in landed_members(source))
        return
    members = (
        _files(source)
        if source.kind == "folder"
        else (
            RawMember(member)
            for member in checked_members(
                source.path, source.offset, source.length, data.warnings, allow_damaged
            )
            if member.refused != "directory"
        )
    )
    if source.wnid:
        yield from members
        return
    for raw in members:
        yield raw._replace(label=data.val_labels.get(_image_id(raw.member.name), ""))


def _files(source: RawSource) -> Iterator[RawMember]:
    refused: list[Member] = []
    for name, path, size in folder_files(
        source, lambda name, reason: refused.append(Member(name, 0, 0, 0, reason))
    ):
        yield RawMember(Member(name, 0, 0, size, refusal(name, size)), path=path)
    yield from map(RawMember, refused)


def facts_of(source: RawSource) -> SourceFacts:
    """Look at a source from outside: no image is read."""
    if source.kind != "folder":
        status = source.path.stat()
        changes = f"{status.st_size} {status.st_mtime_ns}"
        return SourceFacts(str(source.path), source.offset, source.length, changes)
    digest, n_bytes = hashlib.sha256(), 0
    for name, path, size in folder_files(source):
        time = path.stat().st_mtime_ns if isinstance(path, Path) else 0  # one call each in HDFS
        digest.update(f"{name}\0{size}\0{time}\n".encode("utf-8", "surrogateescape"))
        n_bytes += size
    return SourceFacts(str(source.path), 0, n_bytes, digest.hexdigest()[:16])


def _image_id(name: str) -> str:
    return ImageKey("val", "-", safe_name(name.rsplit("/", 1)[-1]) or "-").image_id

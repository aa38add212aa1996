"""Raw tars: which members are images, what is wrong with the others, and what keys images get.

A member's name is hostile until checked: nothing here or elsewhere extracts a member to a path; a
name only ever becomes the last part of an image key.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from mr_jobs.lib.imagenet import QUARANTINE, UNLABELLED, ImageKey

MAX_IMAGE_BYTES = 32 << 20  # a task holds an image several times over, in Java and in Python


class RawRange(NamedTuple):
    """A run of whole members of a tar: `length` bytes from byte `offset` of the file at `uri`.

    `split` is train, val or test; `wnid` is the class of all members, or empty for a flat tar,
    whose members' labels are in a file.
    """

    uri: str
    offset: int
    length: int
    split: str
    wnid: str
    n_images: int


def plan_line(ranges: Sequence[RawRange], width: int = 0) -> str:
    """Write the plan of one bundle as one line of JSON, padded with spaces to `width`."""
    return json.dumps(ranges, ensure_ascii=True).ljust(width)


def read_plan_line(line: str) -> list[RawRange]:
    """Read the plan of one bundle."""
    return [RawRange(*fields) for fields in json.loads(line)]


def refusal(member: tarfile.TarInfo) -> str | None:
    """Say why a member is not taken as an image: a short word, or None when it is taken."""
    parts = member.name.split("/")
    if member.name.startswith("/") or ".." in parts or not parts[-1]:
        return "unsafe_name"
    if member.issym() or member.islnk():
        return "link"
    if not member.isfile():
        return "not_a_file"
    if member.issparse():
        return "sparse"
    if member.size > MAX_IMAGE_BYTES:
        return "too_large"
    return "side_file" if parts[-1].startswith(".") else None


def image_members(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Yield the members that are taken as images, in order, in constant memory."""
    while (member := tar.next()) is not None:
        tar.members.clear()  # type: ignore[attr-defined]  # else it remembers them all
        if not member.isdir() and refusal(member) is None:
            yield member


def key_of(
    raw: RawRange,
    name: str,
    labels: Mapping[str, str],
    synsets: frozenset[str] | None,
) -> ImageKey:
    """Make the key of a member of a raw tar.

    Parameters
    ----------
    name : the member's name; its last part is used, with control characters escaped.
    labels : wnid of an image_id, for flat tars.
    synsets : the wnids of the mapping, or None when there is none.
    """
    file_name = safe_name(name.rsplit("/", 1)[-1])
    key = ImageKey(raw.split, raw.wnid, file_name)
    if not raw.wnid:
        key = key._replace(wnid=labels.get(key.image_id, UNLABELLED))
    if key.wnid == UNLABELLED:
        return key if raw.split == "test" else ImageKey(QUARANTINE, "unlabelled", file_name)
    if synsets is not None and key.wnid not in synsets:
        return ImageKey(QUARANTINE, "unknown_synset", file_name)
    return key


def safe_name(name: str) -> str:
    r"""Escape what would break a line of text: control characters and bytes that are not UTF-8.

    >>> safe_name("a\tb%.JPEG")
    'a%09b%.JPEG'
    """
    return "".join(
        f"%{ord(c) & 0xFF:02X}" if c < " " or c == "\x7f" or 0xDC80 <= ord(c) <= 0xDCFF else c
        for c in name
    )

"""WebDataset's shards: tars in which the files of a sample stand side by side.

The files of a sample have one key, the name up to the first dot of its last part: `key.jpg` with
`key.cls` (a class's number or name) or `key.json` (an object with wnid, cls or label).
Source: the WebDataset format of github.com/webdataset/webdataset, "The WebDataset Format".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO

from mr_jobs.lib.imagenet import UNLABELLED, is_wnid
from mr_jobs.lib.rawtar import Member
from pipeline.layouts.members import checked_members
from pipeline.layouts.raw import RawPath, RawSource

IMAGES = {"jpg", "jpeg", "png", "webp", "bmp", "gif", "tif", "tiff", "ppm", "pgm", "jp2", "img"}
_LABELS = {"cls", "json"}
_MAX_LABEL_BYTES = 1 << 16
_FIELDS = ("wnid", "synset", "cls", "label", "class", "class_name")
_INDEX = re.compile(r"[0-9]{1,6}")
_OWN_NAME = re.compile(
    r"n\d{8}_\d+|ILSVRC\d{4}_(train|val|test)_\d+"
)  # unique in every shard as it is


def sample_key(name: str) -> tuple[str, str]:
    """Split a member's name into its sample's key and its kind, in small letters.

    >>> sample_key("train/0001.seg.PNG")
    ('train/0001', 'seg.png')
    """
    folder, slash, last = name.rpartition("/")
    stem, _, kind = last.partition(".")
    return f"{folder}{slash}{stem}", kind.lower()


def is_shard(members: Iterable[Member]) -> bool:
    """Say whether the first members of a tar are those of a shard: an image and its label."""
    kinds: dict[str, set[str]] = {}
    for member in members:
        key, kind = sample_key(member.name)
        kinds.setdefault(key, set()).add(kind)
    return any(found & IMAGES and found & {*_LABELS, "txt"} for found in kinds.values())


def shard_source(path: RawPath, split: str, inside: str, first: Iterable[Member]) -> RawSource:
    """Describe a shard; `inside` is its path in the data set, `first` its first members.

    Keys often count from 0 in every shard, so images take the shard's name in front, except those
    that are named as ILSVRC names them.
    """
    part = inside.removesuffix(".tar").replace("/", "__")
    is_own = any(
        _OWN_NAME.fullmatch(sample_key(member.name)[0].rpartition("/")[2]) for member in first
    )
    prefix = "" if is_own else f"{part}__"
    return RawSource(split, "", path, 0, path.stat().st_size, "webdataset", part, prefix)


def webdataset_labels(
    source: RawSource,
    wnids: Sequence[str],
    warnings: list[str],
    *,
    allow_damaged: bool = False,
) -> Iterator[tuple[Member, str]]:
    """Yield the members of a shard but the label files, images with their labels.

    Constant memory: a sample's files stand side by side.

    Parameters
    ----------
    wnids : the known synsets in the order of class_index, for labels that are numbers; a number
        that is none of theirs becomes `class_00042`.

    Returns
    -------
    iterator of (member, wnid); the wnid of an image is `unlabelled` where the sample has no label,
    or none that can be read; that of a member that is no image, and is `refused`, is empty.

    Raises
    ------
    DataError
        When the shard is damaged, unless `allow_damaged`.
    """
    members = checked_members(
        source.path, source.offset, source.length, warnings, allow_damaged=allow_damaged
    )
    with source.path.open("rb") as file:
        yield from _labelled(file, members, wnids)


def _labelled(
    file: BinaryIO, members: Iterable[Member], wnids: Sequence[str]
) -> Iterator[tuple[Member, str]]:
    known = frozenset(wnids)
    key, image, labels = "", None, dict[str, bytes]()
    for member in members:
        next_key, kind = sample_key(member.name)
        if next_key != key:
            if image:
                yield image, _label(labels, wnids, known)
            key, image, labels = next_key, None, {}
        if member.refused:
            if member.refused != "directory":
                yield member, ""
        elif kind in _LABELS and member.size <= _MAX_LABEL_BYTES:
            file.seek(member.data_offset)
            labels[kind] = file.read(member.size)
        elif kind in IMAGES and not image:
            image = member
        else:
            yield member._replace(refused=_reason(kind)), ""
    if image:
        yield image, _label(labels, wnids, known)


def _reason(kind: str) -> str:
    if kind in _LABELS:
        return "label_too_large"
    return "second_image" if kind in IMAGES else "side_file"


def _label(labels: dict[str, bytes], wnids: Sequence[str], known: frozenset[str]) -> str:
    """Choose a sample's label: a known wnid, else a number, where those are known; else a name."""
    names, numbers = [], []
    for value in _values(labels):
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str):
            continue
        if _INDEX.fullmatch(value):
            numbers.append(int(value))
        elif is_wnid(value) and not value.startswith("-"):
            names.append(value)
    by_number = [wnids[index] if index < len(wnids) else f"class_{index:05d}" for index in numbers]
    certain = [name for name in names if name in known]
    found = certain + (by_number + names if wnids else names + by_number)
    return found[0] if found else UNLABELLED


def _values(labels: dict[str, bytes]) -> Iterator[object]:
    if "json" in labels:
        try:
            record = json.loads(labels["json"])
        except (ValueError, RecursionError):  # not JSON, not UTF-8, or nested to hurt
            record = None
        if isinstance(record, dict):
            yield from (record[field] for field in _FIELDS if field in record)
    if "cls" in labels:
        yield labels["cls"].decode("utf-8", "replace").strip()

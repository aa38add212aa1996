"""Find tars of images: ILSVRC's, one tar a class, and WebDataset's shards.

ILSVRC's own are `ILSVRC<year>_img_train.tar`, a tar of one tar per wnid, and flat
`ILSVRC<year>_img_val.tar` and `_img_test.tar`, whose labels are in a file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from mr_jobs.lib.errors import DataError
from mr_jobs.lib.imagenet import SPLITS, is_wnid
from pipeline.layouts.annotated import is_annotations
from pipeline.layouts.listing import Entry, entries, is_inside
from pipeline.layouts.members import checked_members, first_members
from pipeline.layouts.raw import RawPath, RawSource
from pipeline.layouts.webdataset import is_shard, shard_source

_OFFICIAL = re.compile(r"(img|images)_(train|val|test)(?P<task>.*)\.tar$")
SPLIT_NAMES = {
    "train": "train", "training": "train",
    "val": "val", "valid": "val", "validation": "val",
    "test": "test", "testing": "test",
}  # fmt: skip


def official_tars(root: RawPath, warnings: list[str]) -> dict[str, RawPath]:
    """Find ILSVRC's tars in a folder, by split.

    Raises
    ------
    DataError
        If there are several to choose from; a tar of another task (`_t3`) is no choice.
    """
    found: dict[str, list[tuple[str, RawPath]]] = {}
    for entry in entries(root):
        match = _OFFICIAL.search(entry.name)
        if match and _is_tar_of(entry, root, warnings):
            found.setdefault(match[2], []).append((match["task"], entry.path))
    chosen = {}
    for split, tars in found.items():
        plain = [path for task, path in tars if not task]
        paths = plain or [path for _, path in tars]
        if len(paths) > 1:
            names = ", ".join(path.name for path in paths)
            raise DataError(f"{root}: more than one {split} tar ({names}); give one as DATA")
        warnings.extend(
            f"{path.name} is left out beside {paths[0].name}; give it as DATA to add it"
            for _, path in tars
            if path != paths[0]
        )
        chosen[split] = paths[0]
    return {split: chosen[split] for split in SPLITS if split in chosen}


def official_sources(
    tars: dict[str, RawPath], warnings: list[str], *, allow_damaged: bool
) -> Iterator[RawSource]:
    """Yield what is in ILSVRC's tars: the tars in a tar, or a flat one."""
    for split, path in tars.items():
        yield from sources_of_tar(path, split, warnings, allow_damaged=allow_damaged)


def sources_of_tar(
    path: RawPath, split: str, warnings: list[str], *, allow_damaged: bool
) -> Iterator[RawSource]:
    """Yield the tars in a tar of tars; for a flat tar, the tar itself."""
    n_bytes = path.stat().st_size
    first = next(iter(first_members(path, n_bytes)), None)
    if first is None or not first.name.endswith(".tar"):
        yield RawSource(split, "", path, 0, n_bytes)
        return
    seen: set[str] = set()
    for member in checked_members(path, 0, n_bytes, warnings, allow_damaged):
        wnid = member.name.removesuffix(".tar").removeprefix("./")
        if member.refused == "directory":
            continue
        is_class_tar = member.refused in (None, "too_large") and member.name.endswith(".tar")
        if not is_class_tar or not is_wnid(wnid):
            warnings.append(f"{path.name}: member {member.name!r} is not a <wnid>.tar, left out")
        elif wnid in seen:
            raise DataError(f"{path}: holds {member.name} twice")
        else:
            seen.add(wnid)
            yield RawSource(split, wnid, path, member.data_offset, member.size)


def tar_file_sources(
    path: RawPath, warnings: list[str], *, allow_damaged: bool
) -> tuple[str, list[RawSource]]:
    """Recognise one tar that is given as the data set; return the layout and its sources."""
    match = _OFFICIAL.search(path.name)
    split = match[2] if match else split_of_path(path.name)
    n_bytes = path.stat().st_size
    first = first_members(path, n_bytes)
    if not match and is_shard(first):
        return "WebDataset", [shard_source(path, split, path.name, first)]
    sources = list(sources_of_tar(path, split, warnings, allow_damaged=allow_damaged))
    if not match and len(sources) == 1 and not sources[0].wnid:
        return "class tars", [_class_tar(path, split)]
    return "ILSVRC tars", sources


def folder_of_tars(root: RawPath, warnings: list[str]) -> tuple[str, list[RawSource]]:
    """Recognise a folder of tars, or of folders of them: WebDataset's shards or one a class.

    Raises
    ------
    DataError
        If shards and tars of a class are mixed, which nobody could tell apart later.
    """
    shards: list[RawSource] = []
    classes: list[RawSource] = []
    for path in _tars_under(root, warnings):
        inside = str(path).removeprefix(str(root)).lstrip("/")
        split = split_of_path(inside)
        first = first_members(path, path.stat().st_size)
        if is_shard(first):
            shards.append(shard_source(path, split, inside, first))
        elif is_wnid(path.name.removesuffix(".tar")):
            classes.append(_class_tar(path, split))
    if shards and classes:
        raise DataError(
            f"{root}: holds WebDataset shards ({shards[0].path.name}) and other tars "
            f"({classes[0].path.name}); put one kind of them in a folder of its own"
        )
    twice = {source.name for source in classes}
    if len(twice) != len(classes):
        raise DataError(f"{root}: holds two tars of one class and split; give one folder of them")
    return ("WebDataset", shards) if shards else ("class tars", classes)


def split_of_path(inside: str) -> str:
    """Tell the split by the words of a path in the data set: the last that is a split's name.

    >>> [split_of_path(p) for p in ("imagenet-val-000001.tar", "validation/0.tar", "x-000.tar")]
    ['val', 'val', 'train']
    """
    words = re.split(r"[^a-z]+", inside.lower().removesuffix(".tar"))
    return next((SPLIT_NAMES[word] for word in reversed(words) if word in SPLIT_NAMES), "train")


def _class_tar(path: RawPath, split: str) -> RawSource:
    wnid = path.name.removesuffix(".tar")
    if not is_wnid(wnid):
        raise DataError(f"{path}: its name is not that of a class; rename it to <class>.tar")
    return RawSource(split, wnid, path, 0, path.stat().st_size)


def _tars_under(root: RawPath, warnings: list[str]) -> Iterator[RawPath]:
    """Yield the tars in a folder and in those of its folders that are named as a split."""
    for entry in entries(root):
        if entry.is_dir and entry.name.lower() in SPLIT_NAMES:
            inner = entries(entry.path)
            yield from (e.path for e in inner if _is_tar_of(e, root, warnings))
        elif _is_tar_of(entry, root, warnings):
            yield entry.path


def _is_tar_of(entry: Entry, root: RawPath, warnings: list[str]) -> bool:
    """Say whether it is a tar, of images as far as the name tells, in the data set."""
    name = entry.name.lower()
    named = name.endswith(".tar") and not is_annotations(name)
    is_file = entry.is_file or (entry.is_link and entry.path.is_file())
    return named and is_file and is_inside(entry.path, root, warnings)

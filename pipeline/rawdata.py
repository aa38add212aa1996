"""Recognise a data set's layout and list its raw tars and label files.

Layouts: ILSVRC's tars (`*_img_train.tar`, a tar of one tar per wnid; flat `*_img_val.tar` and
`*_img_test.tar`), the Kaggle tree (`ILSVRC/Data/CLS-LOC/{train,val,test}`), and a folder of one
folder per class, with or without `train`, `val` and `test` above.
"""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NamedTuple, TypeVar, cast

from mr_jobs.lib.errors import ConfigError, DataError
from mr_jobs.lib.imagenet import (
    SPLITS,
    is_wnid,
    read_clsloc_map,
    read_synset_mapping,
    read_val_solution,
)
from pipeline.hdfspath import HdfsPath

RawPath = Path | HdfsPath
_LABEL_FILES = "LOC_val_solution.csv, or devkit/data with the ground truth and map_clsloc.txt"


class RawSource(NamedTuple):
    """Raw images of one split: a tar, a tar inside a tar, or a folder.

    `wnid` is empty where the members' labels are in a file; `length` (bytes) is -1 for a folder.
    """

    split: str
    wnid: str
    path: RawPath
    offset: int
    length: int

    @property
    def name(self) -> str:
        """A file name that is unique in the data set."""
        return f"{self.split}/{self.wnid or 'flat'}.tar"


@dataclass(frozen=True)
class RawData:
    """A data set as it was found: sources, labels and what is known of the synsets."""

    root: RawPath
    sources: list[RawSource]
    words: dict[str, str]  # wnid to words; empty where there is no mapping
    val_labels: dict[str, str]  # image_id to wnid
    ilsvrc_ids: dict[str, int]
    synthetic: bool
    warnings: list[str] = field(default_factory=list)

    @property
    def has_val(self) -> bool:
        """Say whether the data has a validation part of its own."""
        return any(source.split == "val" for source in self.sources)


def find_raw_data(root: RawPath, *, allow_damaged: bool = False) -> RawData:
    """List the raw sources of a data set.

    Raises
    ------
    ConfigError
        If there is no such directory.
    DataError
        If nothing in it is a known layout, or a tar is damaged and `allow_damaged` is false.
    """
    if not root.is_dir():
        raise ConfigError(
            f"no such data directory: {root}; give one with --data, or leave it out to use the "
            "synthetic sample"
        )
    warnings: list[str] = []
    sources = [
        *_tar_sources(root, warnings, allow_damaged=allow_damaged),
        *(() if _find_tar(root, "train") else _tree_sources(_tree_root(root))),
    ]
    if not any(source.split == "train" for source in sources):
        raise DataError(
            f"{root}: no images in a known layout; expected ILSVRC2012_img_train.tar (a tar of one "
            "tar per wnid), ILSVRC/Data/CLS-LOC/train/<wnid>/, or one folder per class"
        )
    words = _read(root, "LOC_synset_mapping.txt", read_synset_mapping)
    ilsvrc_ids = _read(_devkit(root), "map_clsloc.txt", read_clsloc_map)
    labels = _val_labels(root, ilsvrc_ids)
    if not labels and any(s.split == "val" and not s.wnid for s in sources):
        raise DataError(f"{root}: the validation images have no labels; expected {_LABEL_FILES}")
    synthetic = (root / "SYNTHETIC.txt").is_file()
    return RawData(root, sources, words, labels, ilsvrc_ids, synthetic, warnings)


def _find_tar(root: RawPath, split: str) -> RawPath | None:
    tars = [path for path in _sorted(root.glob(f"*img_{split}*.tar")) if path.is_file()]
    if len(tars) > 1:
        raise DataError(f"{root}: more than one {split} tar ({', '.join(p.name for p in tars)})")
    return tars[0] if tars else None


def _tar_sources(root: RawPath, warnings: list[str], *, allow_damaged: bool) -> Iterator[RawSource]:
    for split in SPLITS:
        path = _find_tar(root, split)
        if path is None:
            continue
        n_bytes = path.stat().st_size
        members = checked_members(path, 0, n_bytes, [], allow_damaged=True)
        first = next((member for member in members if not member.isdir()), None)
        if first is None or not first.name.endswith(".tar"):
            yield RawSource(split, "", path, 0, n_bytes)
            continue
        members = checked_members(path, 0, n_bytes, warnings, allow_damaged)
        seen: set[str] = set()
        for member in members:
            wnid = member.name.removesuffix(".tar").removeprefix("./")
            if member.isdir():
                continue
            if not (member.isreg() and member.name.endswith(".tar") and is_wnid(wnid)):
                warnings.append(
                    f"{path.name}: member {member.name!r} is not a <wnid>.tar, left out"
                )
            elif wnid in seen:
                raise DataError(f"{path}: holds {member.name} twice")
            else:
                seen.add(wnid)
                yield RawSource(split, wnid, path, member.offset_data, member.size)


def checked_members(
    path: RawPath, offset: int, length: int, warnings: list[str], allow_damaged: bool
) -> Iterator[tarfile.TarInfo]:
    """Yield the members of the tar in a range of a file; their offsets are the file's.

    Raises
    ------
    DataError
        When the tar does not end as a tar does, unless `allow_damaged`: then a warning is noted
        and the whole members before the damage are all that is yielded.
    """
    limit = offset + length
    end = offset  # of the last whole member
    with path.open("rb") as file:
        file.seek(offset)
        try:
            bounded = cast("BinaryIO", _BoundedReader(file, limit))
            with tarfile.open(fileobj=bounded, mode="r:") as tar:
                while (member := tar.next()) is not None:
                    if not end < tar.offset <= limit:  # a negative size would lead in circles
                        break
                    tar.members.clear()  # type: ignore[attr-defined]  # else it remembers them
                    end = tar.offset
                    yield member
            damage = _damage_at_end(file, end, limit)
        except (tarfile.ReadError, ValueError) as error:  # ValueError: a PAX record of nonsense
            damage = f"is no tar, or is cut off ({error}),"
    if damage is None:
        return
    if not allow_damaged:
        raise DataError(
            f"{path}: {damage} at byte {end}; fetch the file again, or pass --allow-damaged to "
            "use the images before it"
        )
    warnings.append(f"{path.name}: {damage} at byte {end}; the rest of it is left out")


class _BoundedReader:
    """A file that ends at `limit` for tarfile, which reads as many bytes as a header claims."""

    def __init__(self, file: BinaryIO, limit: int) -> None:
        self._file = file
        self._limit = limit
        self.tell, self.seek = file.tell, file.seek

    def read(self, n_bytes: int) -> bytes:
        """Read at most to the limit; a negative size is not "all there is" but damage."""
        if n_bytes < 0:
            raise tarfile.ReadError("a header claims a negative size")
        return self._file.read(max(0, min(n_bytes, self._limit - self._file.tell())))


def _damage_at_end(file: BinaryIO, end: int, limit: int) -> str | None:
    """Say what is wrong with the place where a tar ends: it must be a block of zeros."""
    file.seek(end)
    block = file.read(min(512, limit - end))
    if len(block) == 512 and not any(block):
        return None
    try:
        member = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return "is cut off" if len(block) < 512 else "is damaged: no tar header stands"
    return f"is cut off in the middle of member {member.name!r}"


def _tree_root(root: RawPath) -> RawPath:
    for candidate in ("ILSVRC/Data/CLS-LOC", "Data/CLS-LOC"):
        if (root / candidate).is_dir():
            return root / candidate
    return root


def _tree_sources(root: RawPath) -> Iterator[RawSource]:
    if isinstance(root, HdfsPath):
        raise DataError(
            f"{root}: no tars of images; in HDFS only tars are used, put the folder there as one "
            "tar per class in a tar, or give the local one"
        )
    if not (root / "train").is_dir():
        yield from _class_folders(root, "train")
        return
    for split in SPLITS:
        folder = root / split
        if not folder.is_dir():
            continue
        classes = list(_class_folders(folder, split))
        yield from classes or [RawSource(split, "", folder, 0, -1)]


def _class_folders(folder: RawPath, split: str) -> Iterator[RawSource]:
    for path in _sorted(folder.iterdir()):
        if path.is_dir() and is_wnid(path.name):
            yield RawSource(split, path.name, path, 0, -1)


def _sorted(paths: Iterable[RawPath]) -> list[RawPath]:
    return sorted(paths, key=str)


def _devkit(root: RawPath) -> RawPath:
    return root / "devkit" / "data"


T = TypeVar("T")


def _read(
    folder: RawPath, name: str, reader: Callable[[Iterable[str], str], Mapping[str, T]]
) -> dict[str, T]:
    path = folder / name
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8") as lines:
        return dict(reader(lines, str(path)))


def _val_labels(root: RawPath, ilsvrc_ids: dict[str, int]) -> dict[str, str]:
    solution = _read(root, "LOC_val_solution.csv", read_val_solution)
    if solution:
        return solution
    truths = _sorted(_devkit(root).glob("*validation_ground_truth.txt"))
    if not truths or not ilsvrc_ids:
        return {}
    wnids = {number: wnid for wnid, number in ilsvrc_ids.items()}
    labels = {}
    with truths[0].open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                labels[f"ILSVRC2012_val_{number:08d}"] = wnids[int(line)]
            except (ValueError, KeyError) as error:
                raise DataError(
                    f"{truths[0]}: line {number} is not an ilsvrc_id of map_clsloc.txt"
                ) from error
    return labels

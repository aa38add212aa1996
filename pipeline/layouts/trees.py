"""Find folders of images: the ILSVRC tree, as Kaggle ships it, and folders of class folders.

Source of the tree: the devkits' readme.txt of ILSVRC2015 and ILSVRC2017, tasks CLS-LOC, DET, VID.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from mr_jobs.lib.errors import DataError
from mr_jobs.lib.imagenet import SPLITS, UNLABELLED, is_wnid
from pipeline.layouts.listing import entries, folders
from pipeline.layouts.raw import RawPath, RawSource
from pipeline.layouts.tars import SPLIT_NAMES

TASKS = ("CLS-LOC", "DET", "VID")
_WORDNET_ID = re.compile(r"n\d{8}")
_BESIDE = {"annotations", "imagesets", "devkit", "data", "meta", "metadata", "labels"}


def task_tree(root: RawPath) -> tuple[str, RawPath, RawPath] | None:
    """Find ILSVRC's tree; return the task, the folder that holds `Data`, and the task's folder.

    The root may be what holds `ILSVRC`, `ILSVRC` itself, or one task's folder in `ILSVRC/Data`.

    Raises
    ------
    DataError
        If the tree holds several tasks, which share names of images.
    """
    parts = str(root).rstrip("/").rsplit("/", 2)
    if len(parts) == 3 and parts[1] == "Data" and parts[2] in TASKS:
        return parts[2], root.parent.parent, root
    for base in (root / "ILSVRC", root):
        found = [task for task in TASKS if (base / "Data" / task).is_dir()]
        if len(found) > 1:
            raise DataError(
                f"{root}: holds {' and '.join(found)}, whose images share names; give one of them: "
                f"{base / 'Data' / found[0]}"
            )
        if found:
            return found[0], base, base / "Data" / found[0]
    return None


def split_folders(root: RawPath, data: RawPath, warnings: list[str]) -> dict[str, RawPath]:
    """Return the folders of train, val and test, by whichever of their names; {} without train."""
    found: dict[str, RawPath] = {}
    others = []
    for entry in folders(data, root, warnings):
        split = SPLIT_NAMES.get(entry.name.lower())
        if split is None:
            others.append(entry.name)
        elif split in found:
            raise DataError(
                f"{data}: both {found[split].name} and {entry.name} are its {split} part; "
                "rename the one that is not meant"
            )
        else:
            found[split] = entry.path
    if "train" not in found and others:
        return {}  # a class may be named "test"
    unknown = [name for name in others if not _is_beside(name)]
    if found and unknown:
        warnings.append(
            f"{', '.join(unknown[:5])}: {len(unknown)} folder(s) beside {', '.join(sorted(found))} "
            "left out"
        )
    return {split: found[split] for split in SPLITS if split in found}


def class_sources(root: RawPath, data: RawPath, warnings: list[str]) -> Iterator[RawSource]:
    """Yield the class folders of each split, or of the folder itself; a flat split is one source.

    `data` is the folder of the splits, `root` the data set's.
    """
    splits = split_folders(root, data, warnings)
    if not splits:
        yield from _classes(root, data, "train", warnings)
    for split, folder in splits.items():
        classes = list(_classes(root, folder, split, warnings))
        if classes and any(entry.is_file for entry in entries(folder)):
            warnings.append(f"{folder}: holds files beside its class folders, left out")
        yield from classes or [RawSource(split, "", folder, 0, -1, "folder")]


def _classes(
    root: RawPath, folder: RawPath, split: str, warnings: list[str]
) -> Iterator[RawSource]:
    for entry in folders(folder, root, warnings):
        if is_wnid(entry.name) and not (folder == root and _is_beside(entry.name)):
            yield RawSource(split, entry.name, entry.path, 0, -1, "folder")
        else:
            warnings.append(f"{entry.path!s:.200}: is not taken as a class, left out")


def _is_beside(name: str) -> bool:
    return name.lower() in _BESIDE or "devkit" in name.lower()


def det_sources(root: RawPath, data: RawPath, warnings: list[str]) -> Iterator[RawSource]:
    """Yield DET's folders: a folder named by a wnid gives its images that label, others none."""
    for split, folder in split_folders(root, data, warnings).items():
        if any(entry.is_file for entry in entries(folder)):
            yield RawSource(split, UNLABELLED, folder, 0, -1, "folder", "flat")
            continue
        for part in folders(folder, root, warnings):
            classes = [f for f in folders(part.path, root, warnings)]
            named = [f for f in classes if _WORDNET_ID.fullmatch(f.name)]
            for entry in named:
                yield RawSource(split, entry.name, entry.path, 0, -1, "folder", part.name)
            if not named:
                yield RawSource(split, UNLABELLED, part.path, 0, -1, "folder", part.name)
            elif len(named) < len(classes):
                warnings.append(f"{part.path}: holds folders that are named by no wnid, left out")


def vid_sources(root: RawPath, data: RawPath, warnings: list[str]) -> Iterator[RawSource]:
    """Yield one source a video, `<split>/<snippet>` or `<split>/<part>/<snippet>`, unlabelled."""
    for split, folder in split_folders(root, data, warnings).items():
        for part in folders(folder, root, warnings):
            snippets = list(folders(part.path, root, warnings)) or [part]
            for entry in snippets:
                yield RawSource(
                    split, UNLABELLED, entry.path, 0, -1, "folder", entry.name, frames=True
                )

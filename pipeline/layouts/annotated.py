"""Find the annotations of a data set: tars and folders of XML files, and Kaggle's csv files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from mr_jobs.lib.imagenet import SPLITS
from pipeline.layouts.listing import entries, folders, is_inside
from pipeline.layouts.raw import AnnotationSource, RawPath

_TAR = re.compile(r"(.*bbox.*|annotations?[^/]*)\.(tar|tar\.gz|tgz)", re.IGNORECASE)
_SOLUTIONS = {"LOC_train_solution.csv": "train", "LOC_val_solution.csv": "val"}


def is_annotations(name: str) -> bool:
    """Say whether a tar is one of annotations, by its name.

    >>> [is_annotations(n) for n in ("ILSVRC2012_bbox_val_v3.tgz", "Annotation.tar.gz", "n01.tar")]
    [True, True, False]
    """
    return bool(_TAR.fullmatch(name))


def find_annotations(
    homes: Sequence[RawPath], task: str, warnings: list[str]
) -> list[AnnotationSource]:
    """List the annotations in the folders given: XML first, as Kaggle's csv says less.

    Tars are only looked for in the first; the others may hold much else.
    """
    found = [
        *_tars(homes[0], warnings),
        *(source for home in homes for source in _xml_folders(home, task, warnings)),
    ]
    if task == "CLS-LOC":
        found += [source for home in homes for source in _csvs(home, warnings)]
    return found


def _tars(home: RawPath, warnings: list[str]) -> Iterator[AnnotationSource]:
    for entry in entries(home):
        is_file = entry.is_file or (entry.is_link and entry.path.is_file())
        if is_file and is_annotations(entry.name) and is_inside(entry.path, home, warnings):
            words = re.split(r"[^a-z]+", entry.name.lower())
            split = next((split for split in SPLITS if split in words), "")
            yield AnnotationSource(entry.path, "tar", split)


def _xml_folders(home: RawPath, task: str, warnings: list[str]) -> Iterator[AnnotationSource]:
    folder = home / "Annotations" / task
    if folder.is_dir() and is_inside(folder, home, warnings):
        for entry in folders(folder, home, warnings):
            if entry.name in SPLITS:
                yield AnnotationSource(entry.path, "folder", entry.name, task == "VID")


def _csvs(home: RawPath, warnings: list[str]) -> Iterator[AnnotationSource]:
    for name, split in _SOLUTIONS.items():
        path = home / name
        if path.is_file() and is_inside(path, home, warnings):
            yield AnnotationSource(path, "csv", split)

"""Read a sample back, without the code that wrote it."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

from mr_jobs.lib.imagenet import read_val_solution
from pipeline.sample import SampleSummary

SMALL: Any = {"n_classes": 3, "n_images": 4}


class Sample(NamedTuple):
    directory: Path
    summary: SampleSummary

    def lines(self, name: str) -> list[str]:
        return (self.directory / name).read_text().splitlines()


def checksums(directory: Path) -> dict[str, str]:
    return {
        str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def read_images(directory: Path) -> dict[str, bytes]:
    """Read every image by key, labels from the solution file."""
    solution = (directory / "LOC_val_solution.csv").read_text().splitlines()
    labels = dict(read_val_solution(solution, "solution"))
    images = {}
    with tarfile.open(directory / "ILSVRC2012_img_train.tar") as outer:
        for member in outer:
            with tarfile.open(fileobj=outer.extractfile(member)) as inner:
                for name, content in _members(inner):
                    images[f"train/{member.name.removesuffix('.tar')}/{name}"] = content
    with tarfile.open(directory / "ILSVRC2012_img_val.tar") as tar:
        for name, content in _members(tar):
            images[f"val/{labels[name.removesuffix('.JPEG')]}/{name}"] = content
    return images


def _members(tar: tarfile.TarFile) -> Iterator[tuple[str, bytes]]:
    for member in tar:
        file = tar.extractfile(member)
        if file is not None:
            yield member.name, file.read()


def read_annotations(directory: Path) -> dict[str, ElementTree.Element]:
    with tarfile.open(directory / "ILSVRC2012_bbox.tar") as tar:
        return {
            name: ElementTree.fromstring(content)  # noqa: S314  # written by the code under test
            for name, content in _members(tar)
        }

"""Write the tars and lists of the synthetic data set in ILSVRC's CLS-LOC layout.

Layout: the ILSVRC2012 and ILSVRC2015 devkit readmes and the files of the Kaggle challenge "ImageNet
Object Localization". Tar headers hold no user, no group and a fixed time.
"""

from __future__ import annotations

import io
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from pipeline.sample_pictures import CLASSES, Box, draw, encode

_MTIME = 1_340_000_000  # of every tar member: June 2012
_NUMBER_STEP = 211
_STREAMS = {"train": 0, "val": 1, "train_numbers": 2, "val_order": 3, "solution_order": 4}
# Kind of odd file by (split, class_index, index in the class); the smallest sample has them all.
ODD_IMAGES = {
    ("train", 0, 0): "png",
    ("train", 0, 1): "truncated",
    ("train", 1, 0): "cmyk",
    ("val", 0, 0): "grey",
    ("val", 1, 0): "exif_rotated",
    ("val", 1, 1): "empty",
}
_XML_OBJECT = """\
	<object>
		<name>{wnid}</name>
		<pose>Unspecified</pose>
		<truncated>0</truncated>
		<difficult>0</difficult>
		<bndbox>
			<xmin>{box.xmin}</xmin>
			<ymin>{box.ymin}</ymin>
			<xmax>{box.xmax}</xmax>
			<ymax>{box.ymax}</ymax>
		</bndbox>
	</object>
"""
_XML = """\
<annotation>
	<folder>{folder}</folder>
	<filename>{image.image_id}</filename>
	<source>
		<database>ILSVRC_2012</database>
	</source>
	<size>
		<width>{image.width_px}</width>
		<height>{image.height_px}</height>
		<depth>3</depth>
	</size>
	<segmented>0</segmented>
{objects}</annotation>
"""


@dataclass(frozen=True)
class SampleNames:
    """Names and orders of a sample; those of an image do not depend on `n_images`."""

    n_classes: int
    n_images: int
    seed: int

    @property
    def n_val_images(self) -> int:
        """Validation images per class."""
        return max(5, self.n_images // 2)

    @property
    def n_total(self) -> int:
        """Images of both splits."""
        return self.n_classes * (self.n_images + self.n_val_images)

    def rng(self, stream: str, *position: int) -> np.random.Generator:
        """Start the random numbers of one image or one list."""
        return np.random.default_rng([self.seed, _STREAMS[stream], *position])

    def val_order(self, index: int) -> list[int]:
        """Shuffle the classes; validation comes in rounds of one image of each class."""
        return [int(c) for c in self.rng("val_order", index).permutation(self.n_classes)]

    def file_name(self, split: str, class_index: int, index: int) -> str:
        """Name an image as ILSVRC does: train numbers have gaps and no fixed width."""
        if split == "train":
            step = self.rng("train_numbers", class_index, index).integers(1, _NUMBER_STEP)
            return f"{wnid(class_index)}_{index * _NUMBER_STEP + step}.JPEG"
        number = index * self.n_classes + self.val_order(index).index(class_index) + 1
        return f"ILSVRC2012_val_{number:08d}.JPEG"


class _Image(NamedTuple):
    """What the lists and boxes say of an image; sizes are those of the upright picture."""

    split: str
    class_index: int
    image_id: str
    width_px: int
    height_px: int
    boxes: tuple[Box, ...]


@dataclass
class SampleWriter:
    """Write the files of a sample into a directory; images must be written before the lists."""

    names: SampleNames
    directory: Path
    progress: Callable[[str], None]
    images: list[_Image] = field(default_factory=list)

    def write(self) -> list[str]:
        """Write all files and return their names, relative to the directory."""
        self._write_train_tar("ILSVRC2012_img_train.tar")
        self._write_val_tar("ILSVRC2012_img_val.tar")
        self._write_bbox_tar("ILSVRC2012_bbox.tar")
        (self.directory / "devkit/data").mkdir(parents=True)
        lists = {
            "LOC_synset_mapping.txt": self._synset_mapping(),
            "LOC_val_solution.csv": self._val_solution(),
            "devkit/data/map_clsloc.txt": self._clsloc_map(),
            "devkit/data/ILSVRC2012_validation_ground_truth.txt": self._ground_truth(),
        }
        for name, lines in lists.items():
            (self.directory / name).write_text("".join(f"{line}\n" for line in lines))
        return [
            "ILSVRC2012_img_train.tar",
            "ILSVRC2012_img_val.tar",
            "ILSVRC2012_bbox.tar",
            *lists,
        ]

    def _write_train_tar(self, name: str) -> None:
        with _new_tar(self.directory / name) as outer:
            for class_index in range(self.names.n_classes):
                with tempfile.TemporaryFile(dir=self.directory) as file:
                    with _new_tar(file) as inner:
                        for index in range(self.names.n_images):
                            self._add_image(inner, "train", class_index, index)
                    member = _member(f"{wnid(class_index)}.tar", file.tell())
                    file.seek(0)
                    outer.addfile(member, file)

    def _write_val_tar(self, name: str) -> None:
        with _new_tar(self.directory / name) as tar:
            for index in range(self.names.n_val_images):
                for class_index in self.names.val_order(index):
                    self._add_image(tar, "val", class_index, index)

    def _add_image(self, tar: tarfile.TarFile, split: str, class_index: int, index: int) -> None:
        picture = draw(CLASSES[class_index], self.names.rng(split, class_index, index))
        kind = ODD_IMAGES.get((split, class_index, index), "jpeg")
        file_name = self.names.file_name(split, class_index, index)
        _add(tar, file_name, encode(picture.pixels, kind))
        height_px, width_px = picture.pixels.shape[:2]
        image_id = file_name.removesuffix(".JPEG")
        self.images.append(_Image(split, class_index, image_id, width_px, height_px, picture.boxes))
        n_done, n_total = len(self.images), self.names.n_total
        if n_done % 100 == 0 or n_done == n_total:
            self.progress(f"{n_done}/{n_total} images drawn")

    def _write_bbox_tar(self, name: str) -> None:
        """Write boxes of every validation image and, as ILSVRC has them, of part of train."""
        seen: set[str] = set()
        with _new_tar(self.directory / name) as tar:
            for number, image in enumerate(self.images):
                if image.split == "train" and number % 2:
                    continue
                class_folder = wnid(image.class_index) if image.split == "train" else "val"
                path = f"train/{class_folder}" if image.split == "train" else "val"
                for folder in (image.split, path):
                    if folder not in seen:
                        seen.add(folder)
                        tar.addfile(_member(folder, is_dir=True))
                _add(tar, f"{path}/{image.image_id}.xml", _xml(image, class_folder).encode())

    def _synset_mapping(self) -> list[str]:
        return [f"{wnid(i)} {CLASSES[i].words}" for i in range(self.names.n_classes)]

    def _val_images(self) -> list[_Image]:
        return [image for image in self.images if image.split == "val"]

    def _val_solution(self) -> list[str]:
        images = self._val_images()
        rows = ["ImageId,PredictionString"]
        for position in self.names.rng("solution_order").permutation(len(images)):
            image = images[position]
            groups = (" ".join([wnid(image.class_index), *map(str, box)]) for box in image.boxes)
            rows.append(f"{image.image_id}," + "".join(f"{group} " for group in groups))
        return rows

    def _clsloc_map(self) -> list[str]:
        """List synsets by ilsvrc_id, which must not be the order of sorted wnids."""
        by_id = sorted(range(self.names.n_classes), key=self._ilsvrc_id)
        return [
            f"{wnid(i)} {self._ilsvrc_id(i)} {CLASSES[i].words.replace(' ', '_')}" for i in by_id
        ]

    def _ground_truth(self) -> list[str]:
        return [str(self._ilsvrc_id(image.class_index)) for image in self._val_images()]

    def _ilsvrc_id(self, class_index: int) -> int:
        return self.names.n_classes - class_index


def wnid(class_index: int) -> str:
    """Name a made-up synset; WordNet's offsets do not come near 99 million."""
    return f"n{99_000_001 + class_index}"


def _xml(image: _Image, folder: str) -> str:
    objects = "".join(
        _XML_OBJECT.format(wnid=wnid(image.class_index), box=box) for box in image.boxes
    )
    return _XML.format(folder=folder, image=image, objects=objects)


def _new_tar(target: Path | IO[bytes]) -> tarfile.TarFile:
    if isinstance(target, Path):
        return tarfile.open(target, "w", format=tarfile.USTAR_FORMAT)
    return tarfile.open(fileobj=target, mode="w", format=tarfile.USTAR_FORMAT)


def _member(name: str, n_bytes: int = 0, *, is_dir: bool = False) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mtime = n_bytes, _MTIME
    member.type = tarfile.DIRTYPE if is_dir else tarfile.REGTYPE
    member.mode = 0o755 if is_dir else 0o644
    return member


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    tar.addfile(_member(name, len(content)), io.BytesIO(content))

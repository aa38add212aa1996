"""Write the synthetic default data set in ILSVRC's CLS-LOC layout.

Layout: the ILSVRC2012 and ILSVRC2015 devkit readmes and the files of the Kaggle challenge "ImageNet
Object Localization". An image depends only on the seed, its split, its class and its index in the
class: a larger sample holds the images of a smaller one, byte for byte and under the same train
names.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import re
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, NamedTuple

import cv2
import numpy as np
import PIL

from mr_jobs.lib.errors import ConfigError
from pipeline.sample_pictures import CLASSES, ODD_KINDS, Box, draw, encode

SYNTHETIC_FILE = "SYNTHETIC.txt"
SAMPLE_VERSION = 1  # raise it whenever the same parameters give other bytes
DEFAULT_N_CLASSES = 10
DEFAULT_N_IMAGES = 60

_TRAIN_TAR = "ILSVRC2012_img_train.tar"
_VAL_TAR = "ILSVRC2012_img_val.tar"
_MTIME = 1_340_000_000  # of every tar member: June 2012, and the same in every run
_NUMBER_STEP = 211
_STREAMS = {"train": 0, "val": 1, "numbers": 2, "val_order": 3, "solution_order": 4}
# Kind of odd file by (split, class_index, index in the class); the smallest sample has them all.
_ODD_IMAGES = {
    ("train", 0, 0): "png",
    ("train", 0, 1): "truncated",
    ("train", 1, 0): "cmyk",
    ("val", 0, 0): "grey",
    ("val", 1, 0): "exif_rotated",
    ("val", 1, 1): "empty",
}
_ABOUT = f"""\
This data set is synthetic: shapes drawn by a program (`bin/pipeline sample`), no photographs. A
result on it says that the pipeline works, and nothing about how well it recognises real images.
Whoever finds this file ({SYNTHETIC_FILE}) beside a data set should say so with every result.
"""


class OddImage(NamedTuple):
    """A file that is odd on purpose; `reason` is why it is quarantined, empty where it is kept."""

    key: str  # <split>/<wnid>/<file name>
    kind: str
    reason: str


@dataclass(frozen=True)
class SampleSummary:
    """What a sample holds; `n_images` is train images per class, `created` false if it was there.

    `n_train` and `n_val` count all images of a split, those that will be quarantined included.
    """

    directory: Path
    n_classes: int
    n_images: int
    seed: int
    n_train: int
    n_val: int
    odd_images: tuple[OddImage, ...]
    created: bool

    @property
    def n_quarantined(self) -> int:
        """The number of images that cannot be used."""
        return sum(bool(odd.reason) for odd in self.odd_images)


class _Annotation(NamedTuple):
    split: str
    wnid: str
    image_id: str
    width: int
    height: int
    boxes: tuple[Box, ...]


def write_sample(
    directory: Path,
    *,
    n_classes: int = DEFAULT_N_CLASSES,
    n_images: int = DEFAULT_N_IMAGES,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> SampleSummary:
    """Write a synthetic data set, or do nothing where the same one is already complete.

    The directory appears only when everything is in it. Runs for one directory at the same time
    wait for each other.

    Parameters
    ----------
    directory : a path that does not exist, an empty directory, or an earlier sample.
    n_classes : number of synsets, 2 to 50.
    n_images : training images per class, at least 2; validation has half as many, at least 5.
    seed : not negative.
    progress : called with a line of text from time to time.

    Raises
    ------
    ConfigError
        For parameters out of range, a directory that holds something else or a damaged sample,
        and for whatever keeps the files from being written.
    """
    sample = _describe(directory.resolve(), n_classes, n_images, seed)
    try:
        if _is_complete(sample):
            return sample
        with _partial_directory(sample.directory) as partial:
            if _is_complete(sample):  # another run has just written it
                return sample
            _write_files(partial, sample, progress or (lambda line: None))
            partial.rename(sample.directory)
    except OSError as error:
        raise ConfigError(
            f"the sample cannot be written to {sample.directory}: {error.strerror or error}; "
            "free some space or name another directory"
        ) from error
    return replace(sample, created=True)


def _describe(directory: Path, n_classes: int, n_images: int, seed: int) -> SampleSummary:
    if not 2 <= n_classes <= len(CLASSES):
        raise ConfigError(
            f"a sample has 2 to {len(CLASSES)} classes, not {n_classes}; change --classes"
        )
    if n_images < 2:
        raise ConfigError(f"a sample has at least 2 images per class, not {n_images}; raise --images")
    if seed < 0:
        raise ConfigError(f"a seed is not negative, as {seed} is; change --seed")
    return SampleSummary(
        directory=directory,
        n_classes=n_classes,
        n_images=n_images,
        seed=seed,
        n_train=n_classes * n_images,
        n_val=n_classes * _n_val_images(n_images),
        odd_images=tuple(
            OddImage(
                f"{split}/{_wnid(class_index)}/"
                + (
                    _train_name(seed, class_index, index)
                    if split == "train"
                    else _val_name(_val_numbers(seed, n_classes, index)[class_index])
                ),
                kind,
                ODD_KINDS[kind][1],
            )
            for (split, class_index, index), kind in _ODD_IMAGES.items()
        ),
        created=False,
    )

"""Write the synthetic default data set, whole or not at all.

An image depends only on the seed, its split, its class and its index in the class: a larger sample
holds the images of a smaller one, byte for byte.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import PIL

from mr_jobs.lib.errors import ConfigError
from mr_jobs.lib.imagenet import ImageKey
from pipeline.sample_layout import ODD_IMAGES, SampleNames, SampleWriter, wnid
from pipeline.sample_pictures import CLASSES, ODD_KINDS

SYNTHETIC_FILE = "SYNTHETIC.txt"
SAMPLE_VERSION = 1  # raise it whenever the same parameters give other bytes
DEFAULT_N_CLASSES = 10
DEFAULT_N_IMAGES = 60

_ABOUT = f"""\
This data set is synthetic: shapes drawn by a program (`bin/pipeline sample`), no photographs. A
result on it shows that the pipeline works, and says nothing of how well it knows real images.
Whoever finds this file ({SYNTHETIC_FILE}) beside a data set should say so with every result.
"""
_FILES_HEADING = "Files, as for `sha256sum --check`:"


class OddImage(NamedTuple):
    """A file that is odd on purpose; `reason` is why it is quarantined, empty where it is kept."""

    key: str  # <split>/<wnid>/<file name>
    kind: str  # of sample_pictures.ODD_KINDS
    reason: str


class SampleSummary(NamedTuple):
    """What a sample holds; `created` is false where it was there already.

    `n_images` is training images per class. `n_train` and `n_val` count all images of a split,
    the `n_quarantined` of both splits that cannot be used included.
    """

    n_classes: int
    n_images: int
    seed: int
    n_train: int
    n_val: int
    n_quarantined: int
    odd_images: tuple[OddImage, ...]
    created: bool


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
        For parameters out of range, for a directory that holds something else or a damaged
        sample, and for whatever keeps the files from being written.
    """
    _check(n_classes, n_images, seed)
    names = SampleNames(n_classes, n_images, seed)
    directory = directory.expanduser().resolve()
    sample = _summarise(names)
    try:
        if _is_there(directory, sample):
            return sample
        with _partial_directory(directory) as partial:
            if _is_there(directory, sample):  # another run has written it while this one waited
                return sample
            files = SampleWriter(names, partial, progress or (lambda line: None)).write()
            _write_synthetic_file(partial, sample, files)
            partial.rename(directory)
    except OSError as error:
        raise ConfigError(
            f"the sample cannot be written to {directory} ({error.strerror or error}); free some "
            "space, or name another directory"
        ) from error
    return sample._replace(created=True)


def _check(n_classes: int, n_images: int, seed: int) -> None:
    if not 2 <= n_classes <= len(CLASSES):
        raise ConfigError(
            f"a sample has 2 to {len(CLASSES)} classes, not {n_classes}; change --classes"
        )
    if n_images < 2:
        raise ConfigError(
            f"a sample has at least 2 training images per class, not {n_images}; change --images"
        )
    if seed < 0:
        raise ConfigError(f"a seed is 0 or more, not {seed}; change --seed")


def _summarise(names: SampleNames) -> SampleSummary:
    odd_images = []
    for (split, class_index, index), kind in ODD_IMAGES.items():
        file_name = names.file_name(split, class_index, index)
        key = ImageKey(split, wnid(class_index), file_name)
        odd_images.append(OddImage(str(key), kind, ODD_KINDS[kind][1]))
    return SampleSummary(
        n_classes=names.n_classes,
        n_images=names.n_images,
        seed=names.seed,
        n_train=names.n_classes * names.n_images,
        n_val=names.n_classes * names.n_val_images,
        n_quarantined=sum(bool(odd.reason) for odd in odd_images),
        odd_images=tuple(odd_images),
        created=False,
    )


def _parameters(sample: SampleSummary) -> str:
    return (
        f"version = {SAMPLE_VERSION}\n"
        f"n_classes = {sample.n_classes}\n"
        f"n_images = {sample.n_images}\n"
        f"seed = {sample.seed}\n"
    )


def _write_synthetic_file(directory: Path, sample: SampleSummary, files: list[str]) -> None:
    odd = "".join(
        f"  {key}\n    {ODD_KINDS[kind][0]}: "
        + (f"quarantined, reason {reason}\n" if reason else "kept\n")
        for key, kind, reason in sample.odd_images
    )
    sums = "".join(f"{_sha256(directory / name)}  {name}\n" for name in files)
    text = (
        f"{_ABOUT}\n{_parameters(sample)}\n"
        f"{sample.n_train} training and {sample.n_val} validation images; of them "
        f"{sample.n_quarantined} cannot be used.\n"
        f"Drawn with OpenCV {cv2.__version__}, NumPy {np.__version__}, Pillow {PIL.__version__}.\n"
        f"\nOdd on purpose, and what is expected of each:\n{odd}\n{_FILES_HEADING}\n{sums}"
    )
    (directory / SYNTHETIC_FILE).write_text(text)


def _is_there(directory: Path, sample: SampleSummary) -> bool:
    """Say whether the directory holds just this sample; refuse one that holds anything else."""
    if not directory.exists():
        return False
    if not directory.is_dir():
        raise ConfigError(f"{directory} is a file; name a directory for the sample")
    if not any(directory.iterdir()):
        if directory == Path.cwd():  # it would be replaced under the caller's feet
            raise ConfigError(f"{directory} is the current directory; name a new one inside it")
        return False
    told = directory / SYNTHETIC_FILE
    text = told.read_text(errors="replace") if told.is_file() else ""
    if not text.startswith(f"{_ABOUT}\n{_parameters(sample)}\n"):
        raise ConfigError(
            f"{directory} is not empty and does not hold the sample of {sample.n_classes} classes, "
            f"{sample.n_images} images and seed {sample.seed}; name another directory or remove it"
        )
    for line in text.partition(f"{_FILES_HEADING}\n")[2].splitlines():
        sha256, _, name = line.partition("  ")
        if not (directory / name).is_file() or _sha256(directory / name) != sha256:
            raise ConfigError(
                f"{directory / name} is missing or was changed; remove {directory} and make the "
                "sample again"
            )
    return True


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _partial_directory(directory: Path) -> Iterator[Path]:
    """Hold an empty sibling of a directory alone; it is gone afterwards, unless renamed.

    The lock is on the sibling itself, so that a killed run leaves nothing locked and its remains
    are cleared by the next.
    """
    partial = directory.with_name(f".{directory.name}.sample-partial")
    descriptor = _lock_directory(partial)
    try:
        for entry in partial.iterdir():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        yield partial
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        os.close(descriptor)


def _lock_directory(path: Path) -> int:
    """Make a directory, wait for its lock and return the descriptor that holds it."""
    while True:
        try:
            path.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        except (FileExistsError, FileNotFoundError):
            if path.is_file() or not path.parent.is_dir():
                raise
            continue  # whoever held the lock renamed or removed the directory meanwhile
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if path.exists() and os.path.samestat(os.fstat(descriptor), path.stat()):
            return descriptor
        os.close(descriptor)  # whoever held the lock has renamed or removed the directory

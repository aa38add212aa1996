"""The image files that paths on the command line mean: files, folders, standard input."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from models.predict import ImageFile
from mr_jobs.lib.errors import ConfigError, ImageError
from mr_jobs.lib.rawtar import MAX_IMAGE_BYTES

STDIN = "-"


def image_files(paths: Sequence[str]) -> Iterator[ImageFile]:
    """Yield the images that paths mean, in their order.

    Parameters
    ----------
    paths : of files; of folders, which are walked in sorted order without hidden files and what is
        no file, and without following links to folders; and at most one `-`, an image on standard
        input.

    Yields
    ------
    Images to read; only then is it known what cannot be read. A folder without files, and a file
    larger than the jobs take, raise an ImageError there.

    Raises
    ------
    ConfigError
        If standard input is named twice, or is a terminal; raised by the call itself.
    """
    if paths.count(STDIN) > 1:
        raise ConfigError("standard input holds one image; give `-` once")
    if STDIN in paths and (sys.stdin is None or sys.stdin.isatty()):
        raise ConfigError("`-` is an image on standard input; give one with `< FILE`")
    return _images(paths)


def _images(paths: Sequence[str]) -> Iterator[ImageFile]:
    for path in paths:
        try:
            is_folder = path != STDIN and Path(path).is_dir()
        except OSError as error:  # such as a name that is too long
            yield _unusable(path, error)
            continue
        if not is_folder:
            yield _image(path)
            continue
        images = _below(path)
        first = next(images, None)
        yield first or _unusable(path, ImageError("no_images", "this folder has no files"))
        yield from images


def _below(folder: str) -> Iterator[ImageFile]:
    """Yield the files of a folder, and of the folders in it, in the order of their names."""
    try:
        with os.scandir(folder) as found:
            entries = sorted((e for e in found if e.name[0] != "."), key=lambda entry: entry.name)
    except OSError as error:
        yield _unusable(folder, error)
        return
    for entry in entries:
        try:
            is_folder, is_file = entry.is_dir(follow_symlinks=False), entry.is_file()
        except OSError as error:  # such as a link to itself
            yield _unusable(entry.path, error)
            continue
        if is_folder:
            yield from _below(entry.path)
        elif is_file:
            yield _image(entry.path)


def _image(path: str) -> ImageFile:
    def read() -> bytes:
        if path == STDIN:
            return _read(sys.stdin.buffer)
        with Path(path).open("rb") as file:
            return _read(file)

    return ImageFile(path, read)


def _read(file: BinaryIO) -> bytes:
    encoded = file.read(MAX_IMAGE_BYTES + 1)
    if len(encoded) > MAX_IMAGE_BYTES:
        raise ImageError("too_large", f"more than {MAX_IMAGE_BYTES >> 20} MiB")
    return encoded


def _unusable(name: str, error: Exception) -> ImageFile:
    def read() -> bytes:
        raise error

    return ImageFile(name, read)

"""Any number of different images out of a few photographs, as ILSVRC's tar of tars."""

from __future__ import annotations

import io
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from mr_jobs.lib.errors import ConfigError
from pipeline.sample_pictures import CLASSES, draw, encode

N_CLASSES = 10
_N_DRAWN = 200
_SOI = b"\xff\xd8"  # with which a JPEG begins
_COMMENT = b"\xff\xfe"


def photographs(given: Path | None) -> list[bytes]:
    """Return JPEGs: those of a folder or a tar, or some that are drawn here.

    Raises
    ------
    ConfigError
        There are none.
    """
    if given is None:
        return list(_drawn(_N_DRAWN))
    try:
        found = [encoded for encoded in _read(given) if encoded.startswith(_SOI)]
    except (OSError, tarfile.TarError) as error:
        raise ConfigError(f"bench-store: {given} cannot be read: {error}") from error
    if not found:
        raise ConfigError(f"bench-store: there is no JPEG in {given}")
    return found


def _drawn(n_pictures: int) -> Iterator[bytes]:
    for number in range(n_pictures):
        rng = np.random.default_rng([0, number])
        yield encode(draw(CLASSES[number % len(CLASSES)], rng).pixels)


def _read(given: Path) -> Iterator[bytes]:
    if given.is_dir():
        yield from (path.read_bytes() for path in sorted(given.rglob("*")) if path.is_file())
        return
    with tarfile.open(given) as tar:
        for member in tar:
            file = tar.extractfile(member) if member.isfile() else None
            if file:
                yield file.read()


def numbered(photograph: bytes, number: int) -> bytes:
    r"""Return a JPEG of the same picture and other bytes: with its number as a comment.

    >>> numbered(b"\xff\xd8...", 7)
    b'\xff\xd8\xff\xfe\x00\n00000007...'
    """
    text = b"%08d" % number
    segment = _COMMENT + (len(text) + 2).to_bytes(2, "big") + text
    return photograph[:2] + segment + photograph[2:]


def write_data(folder: Path, pictures: Sequence[bytes], n_images: int) -> int:
    """Write `n_images` into a folder as ILSVRC2012_img_train.tar; return their bytes."""
    n_bytes = 0
    with tarfile.open(folder / "ILSVRC2012_img_train.tar", "w") as outer:
        for class_index in range(N_CLASSES):
            wnid = f"n{class_index + 1:08d}"
            with tempfile.TemporaryFile(dir=folder) as inner:
                with tarfile.open(fileobj=inner, mode="w") as tar:
                    for number in range(class_index, n_images, N_CLASSES):
                        encoded = numbered(pictures[number % len(pictures)], number)
                        info = tarfile.TarInfo(f"{wnid}_{number}.JPEG")
                        info.size = len(encoded)
                        tar.addfile(info, io.BytesIO(encoded))
                        n_bytes += len(encoded)
                info = tarfile.TarInfo(f"{wnid}.tar")
                info.size = inner.tell()
                inner.seek(0)
                outer.addfile(info, cast(BinaryIO, inner))
    return n_bytes

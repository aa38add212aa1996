"""Fixtures of all tests: where the repository and the shared data are, and made images."""

from __future__ import annotations

import io
import signal
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import ExifTags, Image

MakeImage = Callable[..., bytes]


def pytest_configure() -> None:
    """Let Ctrl-C reach what tests start, also where a shell's background job began them."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def repo_root() -> Path:
    return Path(__file__).parents[1]


@pytest.fixture(scope="session")
def shared_dir(repo_root: Path) -> Path:
    """The data beside the checkout that is never part of it."""
    folder = repo_root.parent / "shared"
    if not (folder / "data").is_dir():
        pytest.skip("needs the shared data at ../shared/data, which is absent")
    return folder


@pytest.fixture(scope="session")
def jpeg() -> MakeImage:
    """Make encoded images: `jpeg(width_px=, height_px=, seed=, format=, mode=, orientation=, …)`.

    The picture is a smooth random field of colours, the same for the same arguments; keywords
    beyond those named go to Pillow's `save` (`progressive=True`, `compression="tiff_lzw"`).
    """

    def make(
        width_px: int = 64,
        height_px: int = 48,
        *,
        seed: int = 0,
        format: str = "JPEG",
        mode: str = "RGB",
        orientation: int | None = None,
        **save_options: Any,
    ) -> bytes:
        coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
        field = cv2.resize(coarse, (width_px, height_px), interpolation=cv2.INTER_LINEAR)
        if orientation is not None:
            exif = Image.Exif()
            exif[ExifTags.Base.Orientation] = orientation
            save_options["exif"] = exif
        encoded = io.BytesIO()
        Image.fromarray(field).convert(mode).save(encoded, format, **save_options)
        return encoded.getvalue()

    return make


@pytest.fixture
def make_tar(tmp_path: Path) -> Callable[..., Path]:
    """Write a tar of (name, content) members."""

    def make(name: str, *members: tuple[str, bytes]) -> Path:
        path = tmp_path / name
        with tarfile.open(path, "w") as tar:
            for member, content in members:
                info = tarfile.TarInfo(member)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
        return path

    return make

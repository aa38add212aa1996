"""ImageMagick's second opinion on images that OpenCV refuses.

It is asked in a process of its own that lives for one image: a crash, a hang or a loop in one of
its many decoders costs that image and never the task. Few images need it, so that the tenth of a
second which a process takes does not matter.
"""

from __future__ import annotations

import ctypes.util
import functools
import importlib.util
import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mr_jobs.lib.errors import ConfigError, ImageError
from mr_jobs.lib.images import Probe

_HERE = Path(__file__).resolve().parent
_CHILD = _HERE / "magick_child.py"
_POLICY = _HERE / "magick_policy"
_LONGEST_S = 30
_SIZE = struct.Struct("<II")
# Debian's ImageMagick 6 first, then 7; wand would start a compiler to find out what there is.
_SUFFIXES = ("-6.Q16", "-7.Q16", "-7.Q16HDRI", "-6.Q16HDRI")


@functools.cache
def library_suffix() -> str:
    """Return what follows `MagickWand` in the name of this machine's library.

    Raises
    ------
    ConfigError
        If there is none.
    """
    for suffix in _SUFFIXES:
        if ctypes.util.find_library(f"MagickWand{suffix}"):
            return suffix
    raise ConfigError(
        "ImageMagick's library is not on this machine; install libmagickwand-6.q16-6, or set "
        "second_opinion = false under [repair] in pipeline.toml"
    )


def environment() -> dict[str, str]:
    """Return the environment of a process that may load ImageMagick: with the policy, little else.

    Raises
    ------
    ConfigError
        If the library is not on this machine.
    """
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": "C.UTF-8",
        "MAGICK_CONFIGURE_PATH": str(_POLICY),
        "MAGICK_THREAD_LIMIT": "1",
        "WAND_MAGICK_LIBRARY_SUFFIX": library_suffix(),
    }


@functools.cache
def _packages() -> str:
    """Return the directory that has wand: an isolated Python does not read PYTHONPATH."""
    found = importlib.util.find_spec("wand")
    if found is None or found.origin is None:
        raise ConfigError("the Python package wand is not on this machine; install Wand")
    return str(Path(found.origin).resolve().parents[1])


def decode_with_magick(encoded: bytes, header: Probe) -> NDArray[np.uint8]:
    """Decode an image with ImageMagick, as stored: the EXIF orientation is not applied.

    Parameters
    ----------
    encoded : the file's bytes.
    header : of `probe`; its format is the only one tried, and its size has to come out.

    Returns
    -------
    uint8 array of shape (height, width, 3), BGR, transparent pixels over white.

    Raises
    ------
    ImageError
        `undecodable`: ImageMagick refuses it or warns of it, or takes more memory or time than
        magick_policy/policy.xml allows.
    ConfigError
        If the library is not on this machine.
    """
    opacity = "transparent" if header.transparent else "opaque"
    try:
        child = subprocess.run(
            [sys.executable, "-I", str(_CHILD), header.format, opacity, _packages()],
            input=encoded,
            capture_output=True,
            env=environment(),
            timeout=_LONGEST_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise _refused(header, f"took longer than {_LONGEST_S} s") from error
    if child.returncode:
        last = child.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise _refused(header, last or f"ended with {child.returncode}")
    size = _SIZE.unpack_from(child.stdout)
    if size != (header.width_px, header.height_px):
        raise _refused(header, f"another size, {size[0]} by {size[1]}")
    pixels = np.frombuffer(child.stdout, np.uint8, offset=_SIZE.size)
    return pixels.reshape(header.height_px, header.width_px, 3)


def _refused(header: Probe, why: str) -> ImageError:
    return ImageError("undecodable", f"{header.format}; ImageMagick: {why}")

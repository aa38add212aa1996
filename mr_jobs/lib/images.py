"""Probe and decode one encoded image of any of the formats found under a .JPEG name.

libjpeg and libpng write warnings about damaged pixels straight to the process's stderr ("Corrupt
JPEG data: premature end of data segment"). They are no errors and no records: what counts is
whether `decode` returns or raises.
"""

from __future__ import annotations

import io
import re
import struct
import warnings
import zlib
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple, cast

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageFile

from mr_jobs.lib.errors import ImageError

MAX_IMAGE_PX = 50_000_000
MAX_SCANS = 100  # of a JPEG; a progressive one has ten, and each costs a pass over all its pixels
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"

# Image.open would refuse to say how large a decompression bomb claims to be, and would take a
# JPEG with a second picture behind it for another format; the readers themselves do neither.
# Format, how a file of it begins, and the reader's module and class, imported when one comes.
_READERS = (
    ("jpeg", (b"\xff\xd8\xff",), "JpegImagePlugin", "JpegImageFile"),
    ("png", (_PNG_SIGNATURE,), "PngImagePlugin", "PngImageFile"),
    ("gif", (b"GIF87a", b"GIF89a"), "GifImagePlugin", "GifImageFile"),
    ("webp", (b"RIFF",), "WebPImagePlugin", "WebPImageFile"),
    ("bmp", (b"BM",), "BmpImagePlugin", "BmpImageFile"),
    ("tiff", (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), "TiffImagePlugin", "TiffImageFile"),
)
BROKEN_FILE = (  # what Pillow's readers were seen to raise, or pass on, on damaged files
    *(SyntaxError, OSError, ValueError, LookupError, ArithmeticError, TypeError),
    *(struct.error, zlib.error, EOFError, AttributeError, AssertionError),
)
_WITH_ALPHA = frozenset(["RGBA", "RGBa", "LA", "La", "PA"])
_SEGMENT = struct.Struct(">BBH").unpack_from  # of a JPEG: escape, marker, length
_FRAME = struct.Struct(">BHHB").unpack_from  # bits, height, width, channels
_START_OF_SCAN, _QUANTIZATION, _END_OF_IMAGE = 0xDA, 0xDB, 0xD9
_MARKER = re.compile(rb"\xff+[^\x00\x01\xd0-\xd8\xff]")  # but those without a segment
_PLAIN_FRAMES = frozenset([0xC0, 0xC1, 0xC2])
_PASSED_OVER = frozenset([0xC4, 0xDD, 0xFE])  # Huffman tables, restart interval, comment
_APPLICATION = frozenset(range(0xE0, 0xF0)) - {0xED}  # Photoshop's can be broken inside
_PNG_DEPTH_AT = 24  # signature, length and name of IHDR, width, height, then the bit depth
_REDUCED = {
    8: cv2.IMREAD_REDUCED_COLOR_8,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    2: cv2.IMREAD_REDUCED_COLOR_2,
}


class Probe(NamedTuple):
    """What the header of an image claims.

    `width_px` and `height_px` are as stored, before the EXIF orientation is applied; `channels`
    is 1 for grey and palette images; `bits` is per channel; `exif_orientation` is 1 to 8, and 1
    when there is none or it cannot be read; `transparent` says whether pixels may be.
    """

    format: str
    width_px: int
    height_px: int
    channels: int
    bits: int
    exif_orientation: int
    cmyk: bool = False
    transparent: bool = False


def probe(encoded: bytes) -> Probe:
    """Read the header of an image, told by its content and never by a name.

    Parameters
    ----------
    encoded : a JPEG, PNG, GIF, WebP, BMP or TIFF file.

    Raises
    ------
    ImageError
        `empty` for no bytes at all, `not_an_image` for any other format or a broken header,
        `too_many_pixels` for a WebP canvas or GIF frame so large that Pillow tells no size.
    """
    return _plain_jpeg(encoded) or _probe_in_pillow(encoded)


def _plain_jpeg(encoded: bytes) -> Probe | None:
    """Read the header of a JPEG like most: what Pillow says, in a tenth of its time.

    None for a file of any other kind, and for a JPEG that has Exif data or anything that Pillow
    might stumble over. Source: ITU-T T.81 (JPEG), annex B.
    """
    if not encoded.startswith(b"\xff\xd8\xff"):
        return None
    at, frame = 2, None
    while at + 4 <= len(encoded):
        escape, marker, length = _SEGMENT(encoded, at)
        end = at + 2 + length
        if escape != 0xFF or length < 2 or end > len(encoded):
            return None
        if marker == _START_OF_SCAN:
            return frame
        if marker in _PLAIN_FRAMES and length in (11, 17):  # of one or three channels
            bits, height_px, width_px, channels = _FRAME(encoded, at + 4)
            if frame or bits != 8 or length != 8 + 3 * channels or not width_px * height_px:
                return None
            frame = Probe("jpeg", width_px, height_px, channels, bits, 1)
        elif marker == _QUANTIZATION:
            if (length - 2) % 65 or any(byte >> 4 for byte in encoded[at + 4 : end : 65]):
                return None
        elif marker not in _PASSED_OVER and (
            marker not in _APPLICATION or length < 16 or encoded.startswith(b"Exif", at + 4)
        ):
            return None
        at = end
    return None


def _probe_in_pillow(encoded: bytes) -> Probe:
    name, reader = _reader_of(encoded)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of odd tags; they are no fault of pixels
        try:
            image = reader(io.BytesIO(encoded))
            width_px, height_px = _stored_size(name, image)
            bits = _bits(name, image, encoded)
        except Image.DecompressionBombError as error:
            raise ImageError("too_many_pixels", str(error)) from error
        except BROKEN_FILE as error:
            raise ImageError("not_an_image", f"broken {name} header") from error
        return Probe(
            name,
            width_px,
            height_px,
            len(image.getbands()),
            bits,
            _exif_orientation(name, image),
            cmyk=image.mode == "CMYK",
            transparent=image.mode in _WITH_ALPHA or "transparency" in image.info,
        )


def open_in_pillow(encoded: bytes) -> ImageFile.ImageFile:
    """Open a probed image in Pillow, of which only the header is read."""
    return _reader_of(encoded)[1](io.BytesIO(encoded))


def _reader_of(encoded: bytes) -> tuple[str, type[ImageFile.ImageFile]]:
    for name, magics, module, reader in _READERS:
        if encoded.startswith(magics):
            return name, _reader(module, reader)
    raise ImageError("not_an_image" if encoded else "empty")


@cache
def _reader(module: str, name: str) -> type[ImageFile.ImageFile]:
    return cast(type[ImageFile.ImageFile], getattr(import_module(f"PIL.{module}"), name))


def _tiff_tags(image: ImageFile.ImageFile) -> Mapping[int, Any]:
    return cast(Mapping[int, Any], image.tag_v2)  # type: ignore[attr-defined]  # of TiffImageFile


def _stored_size(name: str, image: ImageFile.ImageFile) -> tuple[int, int]:
    if name == "tiff":  # Pillow swaps what will be rotated
        tags = _tiff_tags(image)
        return int(tags[ExifTags.Base.ImageWidth]), int(tags[ExifTags.Base.ImageLength])
    return image.size


def _bits(name: str, image: ImageFile.ImageFile, encoded: bytes) -> int:
    if name == "png":
        return encoded[_PNG_DEPTH_AT]
    if name == "tiff":
        return int(_tiff_tags(image).get(ExifTags.Base.BitsPerSample, (1,))[0])
    return 1 if image.mode == "1" else 8


def _exif_orientation(name: str, image: ImageFile.ImageFile) -> int:
    try:
        if name == "tiff":
            value = _tiff_tags(image).get(ExifTags.Base.Orientation, 1)
        elif stored := image.info.get("exif"):
            exif = Image.Exif()
            exif.load(stored)
            value = exif.get(ExifTags.Base.Orientation, 1)
        else:
            return 1
    except BROKEN_FILE:
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def decode(
    encoded: bytes, *, max_image_px: int = MAX_IMAGE_PX, min_side_px: int | None = None
) -> NDArray[np.uint8]:
    """Decode an image to 8-bit BGR, upright.

    The rules are those of OpenCV's IMREAD_COLOR: EXIF orientation is applied (of JPEG, PNG, WebP
    and TIFF; XMP's is not), grey becomes three equal channels, CMYK is converted, alpha is
    dropped, 16 bits become 8, and an animation is its first frame. A JPEG with a damaged scan
    decodes as far as it goes; one that ends too early does not decode.

    Parameters
    ----------
    encoded : the file's bytes.
    max_image_px : largest width × height the header may claim.
    min_side_px : when given, a JPEG is decoded at 1/2, 1/4 or 1/8 of its size as long as its
        shorter side stays at least this long (libjpeg skips the finer frequencies, so this saves
        both time and memory); other formats are never reduced.

    Returns
    -------
    uint8 array of shape (height, width, 3), BGR.

    Raises
    ------
    ImageError
        `empty`, `not_an_image`, `too_many_pixels`, `too_many_scans` (before anything is allocated)
        or `undecodable`.
    """
    return decode_probed(
        encoded, probe(encoded), max_image_px=max_image_px, min_side_px=min_side_px
    )


def decode_probed(
    encoded: bytes, header: Probe, *, max_image_px: int, min_side_px: int | None
) -> NDArray[np.uint8]:
    """Decode an image as `decode` does, with the header of `probe`."""
    n_px = header.width_px * header.height_px
    if n_px > max_image_px:
        raise ImageError("too_many_pixels", f"{header.width_px} by {header.height_px} claimed")
    if header.format == "jpeg" and _n_scans(encoded) > MAX_SCANS:
        raise ImageError("too_many_scans", f"more than {MAX_SCANS}")
    if header.format == "png" and not _png_chunks_fit(encoded):
        raise ImageError("undecodable", "png: a chunk reaches past the end of the file")
    try:
        flag = _REDUCED.get(reduction(header, min_side_px), cv2.IMREAD_COLOR)
        image = cv2.imdecode(np.frombuffer(encoded, np.uint8), flag)
    except cv2.error as error:
        raise ImageError("undecodable", header.format) from error
    if image is None:
        raise ImageError("undecodable", header.format)
    return np.asarray(image, np.uint8)


def _n_scans(encoded: bytes) -> int:
    """Count the scans of a JPEG, up to one more than it may have."""
    n = encoded.count(b"\xff\xda")  # also of a thumbnail, or of what stands behind the end
    if n <= MAX_SCANS:
        return n
    n = 0
    found = _MARKER.search(encoded, 2)
    while found and n <= MAX_SCANS and encoded[found.end() - 1] != _END_OF_IMAGE:
        n += encoded[found.end() - 1] == _START_OF_SCAN
        length = int.from_bytes(encoded[found.end() : found.end() + 2], "big")
        found = _MARKER.search(encoded, found.end() + length)
    return n


def _png_chunks_fit(encoded: bytes) -> bool:
    """Say whether every chunk ends in the file: OpenCV allocates what a chunk's length claims."""
    at, has_pixels = len(_PNG_SIGNATURE), False
    while at + 8 <= len(encoded):
        length, kind = struct.unpack_from(">I4s", encoded, at)
        at += 12 + length  # length, kind, data, checksum
        has_pixels = has_pixels or kind == b"IDAT"
        if kind == b"IEND" and has_pixels:  # without, OpenCV looks for them behind it
            break
    return at <= len(encoded)


def reduction(header: Probe, min_side_px: int | None) -> int:
    """Return by what a JPEG's sides are divided as it is decoded: 1, 2, 4 or 8."""
    if header.format == "jpeg" and min_side_px is not None:
        shorter_px = min(header.width_px, header.height_px)
        for factor in _REDUCED:
            if shorter_px // factor >= min_side_px:
                return factor
    return 1

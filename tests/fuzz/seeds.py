"""Small files to begin with, made here: every class, compression, tar header and image format."""

from __future__ import annotations

import struct
import tarfile
from collections.abc import Iterator
from io import BytesIO
from itertools import product
from typing import Any

import numpy as np
from PIL import ExifTags, Image

from mr_jobs.lib.sequencefile import Value, Writer
from mr_jobs.lib.sequencefile_format import CODECS, ESCAPE
from mr_jobs.lib.writables import WRITABLES
from tests.pipeline import tar_factory as t

SYNC = bytes(range(100, 116))
VALUES: dict[str, tuple[Value, ...]] = {
    "Text": ("train/n01/a.JPEG", "", "é"),
    "BytesWritable": (b"\xff\xd8\xff", b"", bytes(70)),
    "NullWritable": (None, None, None),
    "IntWritable": (0, -1, 2**31 - 1),
    "LongWritable": (0, -(2**63), 1),
}


def sequencefile(
    key_class: str = "Text",
    value_class: str = "BytesWritable",
    *,
    groups: int = 2,
    **options: Any,
) -> bytes:
    """Make a file of `groups` times the records of VALUES, with a marker between the groups."""
    header, body = BytesIO(), BytesIO()
    options |= {"key_class": key_class, "value_class": value_class, "sync": SYNC}
    Writer(header, **options).close()
    with Writer(body, **options) as writer:
        for pair in zip(VALUES[key_class], VALUES[value_class], strict=True):
            writer.append(*pair)
    records = body.getvalue()[len(header.getvalue()) :]
    marker = b"" if records.startswith(ESCAPE) else ESCAPE + SYNC  # a block brings its own
    return header.getvalue() + marker.join([records] * groups)


def _sequencefiles() -> Iterator[bytes]:
    yield from (sequencefile(*pair) for pair in product(WRITABLES, WRITABLES))
    for compression, codec in product(("record", "block"), CODECS):
        yield sequencefile(compression=compression, codec=codec)
    yield sequencefile("NullWritable", "NullWritable", compression="block")
    yield sequencefile(metadata={"é": "1", "": ""}, groups=1)
    yield sequencefile(groups=0)


def _typedbytes() -> Iterator[bytes]:
    yield b""
    head = struct.Struct(">Bi").pack
    yield b"".join(
        head(code, len(text)) + text
        for code, text in ((7, b"train/n01/a.JPEG"), (0, b"\xff\xd8\xff"), (0, b""), (0, bytes(9)))
    )


def _tars() -> Iterator[bytes]:
    harmless = list(t.HARMLESS_MEMBERS.values())
    hostile = list(t.HOSTILE_MEMBERS.values())
    yield t.tar()[:1024]
    for member in harmless + hostile:
        yield t.tar(member)[: len(member.packed) + 1024]
    yield t.tar(t.directory("d/"), *harmless[:3], hostile[0], t.regular("z.JPEG"))[:8192]
    yield t.tar(t.pax_global({"comment": "all"}), t.regular("a.JPEG"))[:4096]
    yield t.tar(t.of_claimed_size("a.JPEG", -512), t.regular("b.JPEG"))[:3072]
    for kind in (tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.GNUTYPE_SPARSE):
        yield t.tar(t.of_claimed_size("a.JPEG", 1 << 40, b"x", kind))[:2048]
    yield t.tar(t.pax({"size": "3", "GNU.sparse.major": "1", "GNU.sparse.minor": "0"}))[:4096]
    yield t.tar(t.pax({"GNU.sparse.map": "0,1", "GNU.sparse.size": "9"}))[:4096]
    yield t.train_tar({"n01": t.tar(harmless[0])[:2048], "n02": t.tar()[:1024]})[:6144]


def _images() -> Iterator[bytes]:
    yield b""
    yield b"<html>"
    pixels = np.random.default_rng(0).integers(0, 256, (6, 9, 4), np.uint8)
    image = Image.fromarray(pixels, "RGBA")
    wide = Image.fromarray(np.arange(54, dtype=np.uint16).reshape(6, 9) * 900)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    forms: tuple[tuple[str, str, dict[str, Any]], ...] = (
        *(("JPEG", mode, {}) for mode in ("RGB", "L", "CMYK")),
        ("JPEG", "RGB", {"progressive": True, "exif": exif, "icc_profile": b"x" * 40}),
        *(("PNG", mode, {}) for mode in ("RGB", "RGBA", "L", "LA", "P", "1")),
        ("PNG", "RGB", {"exif": exif}),
        *(("GIF", mode, {}) for mode in ("P", "L")),
        ("GIF", "P", {"save_all": True, "append_images": [image.convert("P").rotate(180)]}),
        *(("WEBP", mode, {"lossless": True, "exif": exif}) for mode in ("RGB", "RGBA")),
        ("WEBP", "RGB", {"quality": 50}),
        ("WEBP", "RGB", {"save_all": True, "append_images": [image.convert("RGB").rotate(180)]}),
        *(("BMP", mode, {}) for mode in ("RGB", "RGBA", "L", "P", "1")),
        *(("TIFF", mode, {}) for mode in ("RGB", "RGBA", "L", "CMYK", "1", "LAB")),
        *(
            ("TIFF", "RGB", {"compression": name, "exif": exif})
            for name in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg")
        ),
    )
    for format, mode, options in forms:
        yield _saved(image.convert("RGB").convert(mode) if mode == "LAB" else image.convert(mode),
                     format, **options)  # fmt: skip
    yield from (_saved(wide, format) for format in ("PNG", "TIFF"))
    yield from (_saved(image.convert("RGB"), "TIFF", big_tiff=big) for big in (False, True))


def _saved(image: Image.Image, format: str, **options: Any) -> bytes:
    encoded = BytesIO()
    image.save(encoded, format, **options)
    return encoded.getvalue()


_SEEDS = {
    "sequencefile": _sequencefiles,
    "typedbytes": _typedbytes,
    "tar": _tars,
    "probe": _images,
    "decode": _images,
    "repair": _images,
}


def seeds_of(target: str) -> list[bytes]:
    """Make a target's seeds, always the same."""
    return list(dict.fromkeys(_SEEDS[target]()))

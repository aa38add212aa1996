"""Headers are read by content, bombs are refused unread, pixels come upright and in BGR."""

from __future__ import annotations

import io
import itertools
import struct
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageOps

from mr_jobs.lib import images
from mr_jobs.lib.errors import DataError, ImageError
from mr_jobs.lib.images import Probe, decode, probe

MakeImage = Callable[..., bytes]
FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF")


def outcome_of(encoded: bytes, **options: int | None) -> str:
    """Decode; return `decoded` or the reason why not."""
    try:
        image = decode(encoded, **options)  # type: ignore[arg-type]
    except ImageError as error:
        return error.reason
    assert image.dtype == np.uint8
    assert image.ndim == 3
    return "decoded"


@pytest.mark.parametrize("format", FORMATS)
def test_the_format_and_size_are_told_by_content(jpeg: MakeImage, format: str) -> None:
    header = probe(jpeg(50, 40, format=format))

    assert (header.format, header.width_px, header.height_px) == (format.lower(), 50, 40)
    assert (header.bits, header.exif_orientation) == (8, 1)


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_decodes_to_bgr_of_its_size(jpeg: MakeImage, format: str) -> None:
    image = decode(jpeg(50, 40, format=format))

    assert image.shape == (40, 50, 3)
    assert image.dtype == np.uint8


@pytest.mark.parametrize(
    ("format", "mode", "channels", "bits"),
    [
        ("JPEG", "L", 1, 8),
        ("JPEG", "CMYK", 4, 8),
        ("PNG", "RGBA", 4, 8),
        ("PNG", "P", 1, 8),
        ("PNG", "I;16", 1, 16),
        ("PNG", "1", 1, 1),
        ("TIFF", "I;16", 1, 16),
        ("BMP", "1", 1, 1),
    ],
)
def test_channels_and_bits_are_those_stored(
    jpeg: MakeImage, format: str, mode: str, channels: int, bits: int
) -> None:
    encoded = jpeg(mode=mode, format=format)

    header = probe(encoded)

    assert (header.channels, header.bits) == (channels, bits)
    assert decode(encoded).shape == (48, 64, 3)


def test_the_first_channel_is_blue() -> None:
    encoded = io.BytesIO()
    Image.new("RGB", (8, 8), (250, 120, 10)).save(encoded, "PNG")

    assert decode(encoded.getvalue())[0, 0].tolist() == [10, 120, 250]


def test_16_bits_become_8() -> None:
    encoded = io.BytesIO()
    Image.fromarray(np.full((8, 8), 200 * 257, np.uint16)).save(encoded, "PNG")

    assert (decode(encoded.getvalue()) == 200).all()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_the_exif_orientation_is_reported_and_applied(
    jpeg: MakeImage, format: str, orientation: int
) -> None:
    encoded = jpeg(50, 40, format=format, orientation=orientation, quality=95, lossless=True)

    image = decode(encoded)

    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(encoded))).convert("RGB")
    difference = image[..., ::-1].astype(int) - np.asarray(upright)
    assert np.abs(difference).max() <= 4  # the two libraries' JPEG decoders round differently
    assert probe(encoded)[1:3] == (50, 40)
    assert probe(encoded).exif_orientation == orientation


@pytest.mark.parametrize("broken", [b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0", b"Exif\0\0MM"])
def test_a_broken_exif_block_is_no_orientation_and_no_fault(jpeg: MakeImage, broken: bytes) -> None:
    encoded = jpeg()
    block = b"\xff\xe1" + struct.pack(">H", len(broken) + 2) + broken

    damaged = encoded[:2] + block + encoded[2:]

    assert probe(damaged) == Probe("jpeg", 64, 48, 3, 8, 1)
    assert (decode(damaged) == decode(encoded)).all()


def test_a_second_picture_in_the_file_leaves_it_a_jpeg(jpeg: MakeImage) -> None:
    second = Image.open(io.BytesIO(jpeg(seed=1)))

    encoded = jpeg(format="MPO", save_all=True, append_images=[second])

    assert probe(encoded).format == "jpeg"
    assert decode(encoded).shape == (48, 64, 3)


def test_nothing_at_all_is_empty() -> None:
    assert outcome_of(b"") == "empty"


@pytest.mark.parametrize(
    "encoded",
    [
        b"<html></html>",
        b"\xff\xd8\xff",
        b"GIF89a?",
        b"RIFF\0\0\0\0WAVEfmt ",
        b"BM",
        b"II*\0",
        b"%PDF",
    ],
)
def test_what_is_no_image_is_refused_as_bad_data(encoded: bytes) -> None:
    assert outcome_of(encoded) == "not_an_image"
    with pytest.raises(DataError):
        probe(encoded)


def test_a_jpeg_cut_in_its_scan_does_not_decode(jpeg: MakeImage) -> None:
    encoded = jpeg(300, 200)

    assert outcome_of(encoded[: len(encoded) * 6 // 10]) == "undecodable"


def test_more_pixels_than_allowed_are_refused(jpeg: MakeImage) -> None:
    encoded = jpeg(64, 48)

    assert decode(encoded, max_image_px=64 * 48).shape == (48, 64, 3)
    assert outcome_of(encoded, max_image_px=64 * 48 - 1) == "too_many_pixels"


def test_a_gif_frame_beyond_its_canvas_is_refused(jpeg: MakeImage) -> None:
    encoded = bytearray(jpeg(format="GIF"))
    at = encoded.index(b",\0\0\0\0") + 5  # the frame's width and height
    encoded[at : at + 4] = b"\xff\xff\xff\xff"

    assert outcome_of(bytes(encoded)) == "too_many_pixels"


def test_bytes_after_the_end_of_an_image_do_not_matter(jpeg: MakeImage) -> None:
    for format in FORMATS:
        encoded = jpeg(format=format)

        assert (decode(encoded + bytes(range(256))) == decode(encoded)).all()


@pytest.mark.parametrize(
    ("min_side_px", "size"),
    [(None, (480, 640)), (480, (480, 640)), (240, (240, 320)), (100, (120, 160)), (1, (60, 80))],
)
def test_a_large_jpeg_is_reduced_as_far_as_the_shorter_side_allows(
    jpeg: MakeImage, min_side_px: int | None, size: tuple[int, int]
) -> None:
    assert decode(jpeg(640, 480), min_side_px=min_side_px).shape[:2] == size


def test_other_formats_are_not_reduced(jpeg: MakeImage) -> None:
    assert decode(jpeg(640, 480, format="PNG"), min_side_px=64).shape == (480, 640, 3)


def test_the_reduced_image_is_the_mean_of_the_pixels_it_stands_for(jpeg: MakeImage) -> None:
    encoded = jpeg(640, 480, quality=95)

    means = decode(encoded).reshape(120, 4, 160, 4, 3).mean(axis=(1, 3))

    assert np.abs(decode(encoded, min_side_px=120) - means).max() < 8


def test_a_reduced_decode_accepts_and_refuses_the_same_files(jpeg: MakeImage) -> None:
    encoded = jpeg(300, 200)
    for n_bytes in itertools.chain(range(2, len(encoded), 97), [len(encoded)]):
        cut = encoded[:n_bytes]

        assert outcome_of(cut) == outcome_of(cut, min_side_px=16)


def test_damaged_files_only_ever_raise_image_errors(jpeg: MakeImage) -> None:
    rng = np.random.default_rng(0)
    for format in FORMATS:
        encoded = jpeg(format=format, orientation=6)
        for _ in range(150):
            damaged = bytearray(encoded)
            for at in rng.integers(0, min(len(encoded), 400), 4):
                damaged[at] = rng.integers(256)

            outcome = outcome_of(bytes(damaged), max_image_px=1_000_000)

            assert outcome in ("decoded", "not_an_image", "too_many_pixels", "undecodable")


def test_a_png_that_ends_before_its_pixels_does_not_decode(jpeg: MakeImage) -> None:
    encoded = jpeg(format="PNG")
    at = encoded.index(b"IDAT") - 4

    early = encoded[:at] + encoded[-12:] + b"\x80\0\0\0IDAT" + encoded[at:]

    assert outcome_of(early) == "undecodable"


def told(encoded: bytes) -> object:
    """Probe; return what the header says or the reason why it says nothing."""
    try:
        return probe(encoded)
    except ImageError as error:
        return error.reason


def test_the_quick_look_at_a_plain_jpeg_says_what_pillow_says(
    jpeg: MakeImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(0)
    options: list[dict[str, object]] = [
        {},
        {"progressive": True, "comment": b"made"},
        {"mode": "L", "icc_profile": b"profile" * 9},
        {"mode": "CMYK"},
        {"orientation": 6},
        {"quality": 1, "restart_marker_blocks": 2},
    ]
    heads = [jpeg(17, 9, **option)[:900] for option in options]
    files = [head[:end] for head in heads for end in range(0, len(head), 7)]
    for _ in range(4000):
        damaged = bytearray(heads[random.integers(len(heads))])
        for _ in range(random.integers(1, 4)):
            at = damaged.find(0xFF, random.integers(2, 700)) + random.integers(0, 10)
            damaged[at % len(damaged)] = random.choice([0, 1, 2, 16, 0xC0, 0xDB, 0xE0, 0xFF, 99])
        files.append(bytes(damaged))

    quick = [told(encoded) for encoded in files]
    monkeypatch.setattr(images, "_plain_jpeg", lambda encoded: None)

    assert quick == [told(encoded) for encoded in files]

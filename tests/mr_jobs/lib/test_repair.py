"""Odd images come out with the right pixels, each repair is named, plain ones are left alone."""

from __future__ import annotations

import ctypes
import io
import struct
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms

from mr_jobs.lib.errors import ConfigError, ImageError
from mr_jobs.lib.images import decode, probe
from mr_jobs.lib.magick import library_suffix
from mr_jobs.lib.repair import Repaired, RepairSettings, decode_repaired, upright
from tests.mr_jobs.lib.cmyk_profile import press_profile

MakeImage = Callable[..., bytes]
MOST_DELTA_E = 1.0
QUIRKY_CMYK = ("n01739381_1309.JPEG", "real_pil_sample_cmyk.JPEG")
WIDTH_PX, HEIGHT_PX = 40, 30


def repaired(encoded: bytes, min_side_px: int | None = None) -> Repaired:
    return decode_repaired(encoded, probe(encoded), min_side_px=min_side_px)


def delta_e(image: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Return the mean CIE76 colour difference of two BGR images."""
    lab, other_lab = (
        cv2.cvtColor(i.astype(np.float32) / 255, cv2.COLOR_BGR2Lab) for i in (image, other)
    )
    return float(np.linalg.norm(lab - other_lab, axis=2).mean())


@pytest.fixture
def by_imagemagick(monkeypatch: pytest.MonkeyPatch) -> Callable[..., NDArray[np.uint8]]:
    """Convert to sRGB as `convert IN -colorspace sRGB` or `-profile sRGB.icc` does."""
    try:
        monkeypatch.setenv("WAND_MAGICK_LIBRARY_SUFFIX", library_suffix())
    except ConfigError as error:
        pytest.skip(str(error))
    from wand.api import library
    from wand.image import Image as Wand

    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    use_profile = ctypes.CFUNCTYPE(
        ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t
    )(("MagickProfileImage", library))

    def convert(encoded: bytes, *, by_profile: bool = False) -> NDArray[np.uint8]:
        with Wand(blob=encoded) as image:
            if by_profile:
                assert use_profile(image.wand, b"icc", srgb, len(srgb))
            else:
                image.transform_colorspace("srgb")
            pixels = image.export_pixels(channel_map="BGR", storage="char")
            return np.array(pixels, np.uint8).reshape(image.height, image.width, 3)

    return convert


def ycck(cmyk: bytes, jpeg: MakeImage) -> bytes:
    """Say in Adobe's marker that the file is YCCK: then other colours come out."""
    at = cmyk.index(b"Adobe") + 11
    return cmyk[:at] + b"\2" + cmyk[at + 1 :]


def without_adobe(cmyk: bytes, jpeg: MakeImage) -> bytes:
    at = cmyk.index(b"\xff\xee")
    (length,) = struct.unpack_from(">H", cmyk, at + 2)
    return cmyk[:at] + cmyk[at + 2 + length :]


@pytest.mark.parametrize("variant", [lambda cmyk, _: cmyk, ycck, without_adobe])
@pytest.mark.parametrize("progressive", [False, True])
def test_cmyk_without_a_profile_has_the_colours_of_imagemagick(
    jpeg: MakeImage,
    by_imagemagick: Callable[..., NDArray[np.uint8]],
    variant: Callable[[bytes, MakeImage], bytes],
    progressive: bool,
) -> None:
    encoded = variant(jpeg(200, 150, mode="CMYK", progressive=progressive), jpeg)

    result = repaired(encoded)

    assert result.kinds == {"cmyk"}
    assert delta_e(result.image, by_imagemagick(encoded)) <= MOST_DELTA_E


def test_cmyk_with_a_profile_has_the_colours_that_imagemagick_gives_it_by_that_profile(
    jpeg: MakeImage, by_imagemagick: Callable[..., NDArray[np.uint8]]
) -> None:
    encoded = jpeg(200, 150, mode="CMYK", icc_profile=press_profile())

    result = repaired(encoded)

    assert delta_e(result.image, by_imagemagick(encoded, by_profile=True)) <= MOST_DELTA_E
    assert delta_e(result.image, decode(encoded)) > 10  # the profile matters


@pytest.mark.parametrize("name", QUIRKY_CMYK)
def test_real_cmyk_files_have_the_colours_of_imagemagick(
    shared_dir: Path, by_imagemagick: Callable[..., NDArray[np.uint8]], name: str
) -> None:
    encoded = (shared_dir / "data" / "quirky" / "images" / name).read_bytes()

    result = repaired(encoded)

    assert result.kinds == {"cmyk"}
    assert delta_e(result.image, by_imagemagick(encoded)) <= MOST_DELTA_E


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("min_side_px", [None, 60, 7])
def test_a_profile_changes_colours_and_neither_size_nor_orientation(
    jpeg: MakeImage, orientation: int, min_side_px: int | None
) -> None:
    encoded = jpeg(203, 151, mode="CMYK", orientation=orientation, icc_profile=press_profile())

    converted = repaired(encoded, min_side_px).image
    plain = decode(encoded, min_side_px=min_side_px)

    assert converted.shape == plain.shape
    blurred, other = (cv2.blur(i, (9, 9)).astype(float).mean(2) for i in (converted, plain))
    assert np.corrcoef(blurred.ravel(), other.ravel())[0, 1] > 0.9


@pytest.mark.parametrize("profile", [b"no profile", press_profile()[:300], bytes(4000)])
def test_a_broken_profile_counts_as_none(jpeg: MakeImage, profile: bytes) -> None:
    encoded = jpeg(mode="CMYK", icc_profile=profile)

    assert (repaired(encoded).image == decode(encoded)).all()


def test_a_profile_for_other_colours_counts_as_none(jpeg: MakeImage) -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    encoded = jpeg(mode="CMYK", icc_profile=srgb)

    assert (repaired(encoded).image == decode(encoded)).all()


def half_transparent(mode: str) -> Image.Image:
    """Make a picture that fades out to the right, or is transparent there; BGR is (0, 60, 200)."""
    alpha = np.linspace(255, 0, WIDTH_PX).astype(np.uint8)
    if mode in ("P", "RGB", "L"):  # there one colour is transparent
        alpha = np.where(alpha > 127, np.uint8(255), np.uint8(0))
    field = np.empty((HEIGHT_PX, WIDTH_PX, 4), np.uint8)
    field[:] = (200, 60, 0, 0)
    field[..., 3] = alpha
    picture = Image.fromarray(field)
    if mode == "RGBA":
        return picture
    if mode == "LA":
        return picture.convert("LA")
    plain = Image.new("RGB", picture.size, (1, 2, 3))
    plain.paste(picture, mask=picture.getchannel("A"))
    return plain.quantize(2) if mode == "P" else plain.convert(mode)


TRANSPARENT = [
    ("PNG", "RGBA"),
    ("PNG", "LA"),
    ("PNG", "P"),
    ("PNG", "RGB"),
    ("PNG", "L"),
    ("WEBP", "RGBA"),
    ("TIFF", "RGBA"),
    ("TIFF", "LA"),
    ("GIF", "P"),
]


@pytest.mark.parametrize(("format", "mode"), TRANSPARENT)
def test_transparent_pixels_are_put_over_white(format: str, mode: str) -> None:
    picture = half_transparent(mode)
    corner = picture.getpixel((WIDTH_PX - 1, 0))
    options = {"transparency": corner} if mode in ("P", "RGB", "L") else {}
    encoded = io.BytesIO()
    picture.save(encoded, format, lossless=True, **options)

    result = repaired(encoded.getvalue())

    colour = (200, 60, 0) if "L" not in mode else (95, 95, 95)
    assert result.kinds == {"alpha"}
    assert np.abs(result.image[0, 0, ::-1].astype(int) - colour).max() <= 1
    assert (result.image[:, -1] == 255).all()
    if mode in ("RGBA", "LA"):
        alpha = np.linspace(255, 0, WIDTH_PX).astype(np.uint8) / 255
        expected = alpha * colour[0] + (1 - alpha) * 255
        assert np.abs(result.image[5, :, 2] - expected).max() <= 1


def test_an_alpha_channel_that_hides_nothing_is_no_repair(jpeg: MakeImage) -> None:
    encoded = jpeg(format="PNG", mode="RGBA")

    result = repaired(encoded)

    assert result.kinds == set()
    assert (result.image == decode(encoded)).all()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["PNG", "WEBP", "TIFF"])
def test_a_transparent_image_comes_upright(format: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    encoded = io.BytesIO()
    half_transparent("RGBA").save(encoded, format, exif=exif, lossless=True)

    result = repaired(encoded.getvalue())

    assert ("orientation" in result.kinds) == (orientation != 1)
    stored = np.full((HEIGHT_PX, WIDTH_PX), False)
    stored[:, -1] = True
    white = upright(stored[..., None].astype(np.uint8), orientation)[..., 0].astype(bool)
    assert (result.image[white] == 255).all()
    assert result.image.shape[:2] == white.shape


@pytest.mark.parametrize("orientation", range(1, 9))
def test_upright_turns_as_opencv_does(jpeg: MakeImage, orientation: int) -> None:
    encoded = jpeg(orientation=orientation)

    stored = cv2.imdecode(
        np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    )

    assert (upright(np.asarray(stored, np.uint8), orientation) == decode(encoded)).all()


@pytest.mark.parametrize(("format", "mode"), [("PNG", "I;16"), ("TIFF", "I;16")])
def test_16_bits_are_a_repair(jpeg: MakeImage, format: str, mode: str) -> None:
    assert repaired(jpeg(format=format, mode=mode)).kinds == {"bits_16"}


def test_an_exif_orientation_is_a_repair_and_none_is_not(jpeg: MakeImage) -> None:
    assert repaired(jpeg(orientation=8)).kinds == {"orientation"}
    assert repaired(jpeg(orientation=1)).kinds == set()


@pytest.mark.parametrize("options", [{}, {"mode": "L"}, {"progressive": True}])
@pytest.mark.parametrize("min_side_px", [None, 100])
def test_a_plain_jpeg_is_left_alone(
    jpeg: MakeImage, options: dict[str, bool], min_side_px: int | None
) -> None:
    encoded = jpeg(640, 480, **options)

    result = repaired(encoded, min_side_px)

    assert result.kinds == set()
    assert (result.image == decode(encoded, min_side_px=min_side_px)).all()


def test_the_pixel_limit_comes_before_every_repair(jpeg: MakeImage) -> None:
    for encoded in (jpeg(mode="CMYK"), jpeg(format="PNG", mode="RGBA"), jpeg()[:-200]):
        with pytest.raises(ImageError, match="too_many_pixels"):
            decode_repaired(encoded, probe(encoded), max_image_px=100)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"min_decoded_share": 0}, "above 0, at most 1"),
        ({"min_decoded_share": 1.5}, "above 0, at most 1"),
        ({"min_decoded_share": True}, "above 0, at most 1"),
        ({"second_opinion": 1}, "use true or false"),
        ({"crop": True}, "no setting is called crop; known: min_decoded_share, second_opinion"),
    ],
)
def test_a_wrong_setting_is_named(values: dict[str, object], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        RepairSettings.from_dict(values)

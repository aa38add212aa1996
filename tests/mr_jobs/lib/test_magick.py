"""ImageMagick decodes what OpenCV cannot, within its limits, and saves nothing that is damaged."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mr_jobs.lib import magick
from mr_jobs.lib.errors import ConfigError, ImageError
from mr_jobs.lib.images import Probe, decode, probe
from mr_jobs.lib.magick import decode_with_magick, library_suffix
from mr_jobs.lib.repair import RepairSettings, decode_repaired

MakeImage = Callable[..., bytes]
FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF")
ALONE = RepairSettings(second_opinion=False)
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="64" height="48"/>'


@pytest.fixture(autouse=True)
def _needs_the_library() -> None:
    try:
        library_suffix()
    except ConfigError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("format", FORMATS)
def test_both_decode_to_the_same_pixels(jpeg: MakeImage, format: str) -> None:
    encoded = jpeg(format=format, orientation=3) if format != "GIF" else jpeg(format=format)

    stored = decode_with_magick(encoded, probe(encoded))

    upright = stored[::-1, ::-1] if probe(encoded).exif_orientation == 3 else stored
    assert np.abs(upright.astype(int) - decode(encoded)).max() <= 2


@pytest.mark.parametrize("compression", ["zstd", "lzma"])
def test_a_tiff_that_only_imagemagick_reads_is_kept(jpeg: MakeImage, compression: str) -> None:
    encoded = jpeg(format="TIFF", compression=compression, orientation=6)

    result = decode_repaired(encoded, probe(encoded))

    assert result.kinds == {"magick", "orientation"}
    plain = decode(jpeg(format="TIFF", orientation=6))
    assert (result.image == plain).all()
    with pytest.raises(ImageError, match="undecodable"):
        decode_repaired(encoded, probe(encoded), ALONE)


def test_only_the_first_picture_of_an_animation_counts(jpeg: MakeImage) -> None:
    more = [Image.open(io.BytesIO(jpeg(seed=seed))) for seed in range(1, 40)]
    encoded = jpeg(format="GIF", save_all=True, append_images=more)

    assert (
        np.abs(decode_with_magick(encoded, probe(encoded)).astype(int) - decode(encoded)).max() == 0
    )


@pytest.mark.parametrize("format", FORMATS)
def test_a_file_that_ends_too_early_is_not_kept_on_its_word(jpeg: MakeImage, format: str) -> None:
    encoded = jpeg(200, 150, format=format)
    for percent in (40, 80, 97):
        cut = encoded[: len(encoded) * percent // 100]

        with pytest.raises(ImageError):
            decode_repaired(cut, probe(cut))


def test_numbers_of_32_bits_are_not_guessed_at(jpeg: MakeImage) -> None:
    for mode in ("F", "I"):
        encoded = jpeg(format="TIFF", mode=mode)

        with pytest.raises(ImageError, match="undecodable"):
            decode_repaired(encoded, probe(encoded))


def test_an_image_beyond_the_memory_limit_is_refused(jpeg: MakeImage) -> None:
    encoded = jpeg(7000, 6000, format="TIFF", mode="L", compression="zstd")

    with pytest.raises(ImageError, match=r"undecodable: tiff; ImageMagick: .*exhausted"):
        decode_repaired(encoded, probe(encoded))


@pytest.mark.parametrize("format", ["svg", "mvg", "msl", "pdf", "ps", "text", "url", "https"])
def test_no_other_format_can_be_asked_for(format: str) -> None:
    with pytest.raises(ImageError, match=f"not a format: {format}"):
        decode_with_magick(SVG, Probe(format, 64, 48, 3, 8, 1))


@pytest.mark.parametrize("format", ["png", "jpeg", "tiff"])
@pytest.mark.parametrize("encoded", [SVG, b"push graphic-context\n", b"%PDF-1.4", b"@/etc/passwd"])
def test_the_bytes_cannot_choose_another_decoder(format: str, encoded: bytes) -> None:
    with pytest.raises(ImageError, match="undecodable"):
        decode_with_magick(encoded, Probe(format, 64, 48, 3, 8, 1))


@pytest.mark.parametrize(
    "name",
    ["xc:red", "text:there", "mvg:there", "label:@there", "ps:there", "svg:there", "https:there"],
)
def test_the_policy_forbids_other_decoders_and_files(tmp_path: Path, name: str) -> None:
    (tmp_path / "there").write_bytes(SVG)
    program = "import sys\nfrom wand.image import Image\nImage(filename=sys.argv[1])"

    done = subprocess.run(
        [sys.executable, "-c", program, name],
        capture_output=True,
        text=True,
        check=False,
        env=magick.environment(),
        cwd=tmp_path,
    )

    assert "not allowed by the security policy" in done.stderr


def test_a_size_other_than_the_headers_is_refused(jpeg: MakeImage) -> None:
    header = probe(jpeg())._replace(width_px=63)

    with pytest.raises(ImageError, match="another size, 64 by 48"):
        decode_with_magick(jpeg(), header)


def test_a_crash_costs_the_image_only(
    jpeg: MakeImage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    child = tmp_path / "child.py"
    child.write_text("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n")
    monkeypatch.setattr(magick, "_CHILD", child)

    with pytest.raises(ImageError, match="undecodable: jpeg; ImageMagick: ended with -11"):
        decode_with_magick(jpeg(), probe(jpeg()))


def test_a_machine_without_the_library_is_said_at_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(magick, "_SUFFIXES", ("-0.of-no-machine",))
    library_suffix.cache_clear()
    try:
        with pytest.raises(ConfigError, match=r"install libmagickwand-6.q16-6, or set .* = false"):
            RepairSettings().require()
        ALONE.require()
    finally:
        library_suffix.cache_clear()

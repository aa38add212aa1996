"""The share of a cut JPEG that decodes is what really decodes: never more, hardly less."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from mr_jobs.lib.errors import ImageError
from mr_jobs.lib.images import probe
from mr_jobs.lib.repair import RepairSettings, decode_repaired
from mr_jobs.lib.truncated import END, rescue

WIDTH_PX, HEIGHT_PX = 320, 240
KINDS: dict[str, dict[str, Any]] = {
    "baseline": {},
    "baseline 4:4:4": {"subsampling": 0},
    "grey": {"mode": "L"},
    "cmyk": {"mode": "CMYK"},
    "restart markers": {"restart_marker_blocks": 7},
    "progressive": {"progressive": True},
    "progressive 4:4:4": {"progressive": True, "subsampling": 0},
}


def photo(mode: str = "RGB", **save_options: Any) -> bytes:
    """Encode a picture that is busy everywhere."""
    rng = np.random.default_rng(5)
    coarse = rng.integers(0, 256, (HEIGHT_PX // 6, WIDTH_PX // 6, 3), np.uint8)
    picture = cv2.resize(coarse, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_CUBIC)
    encoded = io.BytesIO()
    Image.fromarray(picture).convert(mode).save(encoded, "JPEG", quality=85, **save_options)
    return encoded.getvalue()


def pixels(encoded: bytes) -> NDArray[np.uint8]:
    image = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR)
    return np.asarray(image, np.uint8)


@pytest.mark.parametrize("kind", KINDS)
def test_the_rows_that_count_are_those_of_the_whole_file(kind: str) -> None:
    encoded = photo(**KINDS[kind])
    whole = pixels(encoded)
    shares = []
    for percent in (10, 30, 50, 65, 80, 90, 97, 99):
        cut = rescue(encoded[: len(encoded) * percent // 100])
        assert cut is not None
        ended, share = cut
        n_rows = round(share * HEIGHT_PX)
        found = pixels(ended)
        right = (found == whole).all(axis=(1, 2))
        assert right[:n_rows].all(), percent
        assert right.argmin() - n_rows <= 16, percent  # not less than one row of blocks short
        shares.append(share)

    assert shares == sorted(shares)
    assert 0.8 < shares[-1] < 1


def test_a_progressive_file_has_no_whole_row_before_its_last_scan() -> None:
    encoded = photo(progressive=True)

    assert rescue(encoded[: len(encoded) * 3 // 10]) == (
        encoded[: len(encoded) * 3 // 10] + END,
        0.0,
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_lacks_only_its_end_is_all_there(kind: str) -> None:
    encoded = photo(**KINDS[kind])

    cut = rescue(encoded[: -len(END)])

    assert cut == (encoded, 1.0)


def test_a_flat_grey_picture_cut_in_the_middle_is_not_taken_for_more_than_it_is() -> None:
    encoded = io.BytesIO()
    Image.new("L", (640, 4800), 128).save(encoded, "JPEG", quality=95)
    whole = encoded.getvalue()
    scan = whole.index(b"\xff\xda")

    cut = rescue(whole[: (scan + len(whole)) // 2])

    assert cut is not None
    assert 0.4 < cut[1] < 0.6


def test_a_whole_file_is_not_truncated_whatever_follows_it() -> None:
    assert rescue(photo()) is None
    assert rescue(photo() + bytes(100)) is None


def test_the_setting_decides_and_the_rest_is_grey() -> None:
    encoded = photo()
    cut = encoded[: len(encoded) * 6 // 10]
    half, most = RepairSettings(min_decoded_share=0.5), RepairSettings(min_decoded_share=0.7)

    kept = decode_repaired(cut, probe(cut), half)

    assert kept.kinds == {"truncated"}
    assert (kept.image[-16:] == 128).all()
    with pytest.raises(ImageError, match=r"ends after 5\d\.\d% of its rows"):
        decode_repaired(cut, probe(cut), most)
    with pytest.raises(ImageError):
        decode_repaired(cut, probe(cut))


@pytest.mark.parametrize("kind", KINDS)
def test_a_reduced_decode_keeps_and_refuses_the_same_cuts(kind: str) -> None:
    encoded = photo(**KINDS[kind])
    settings = RepairSettings(min_decoded_share=0.6, second_opinion=False)
    for n_bytes in range(700, len(encoded), len(encoded) // 23):
        cut = encoded[:n_bytes]

        assert outcome(cut, settings, None) == outcome(cut, settings, 40), n_bytes


def outcome(encoded: bytes, settings: RepairSettings, min_side_px: int | None) -> str:
    try:
        header = probe(encoded)
        kinds = decode_repaired(encoded, header, settings, min_side_px=min_side_px).kinds
    except ImageError as error:
        return error.reason
    return ",".join(kinds)


def test_damaged_markers_never_raise(jpeg: Callable[..., bytes]) -> None:
    rng = np.random.default_rng(0)
    encoded = jpeg(progressive=True)
    for _ in range(400):
        damaged = bytearray(encoded[: rng.integers(3, len(encoded))])
        for at in rng.integers(0, min(len(damaged), 700), 3):
            damaged[at] = rng.choice([0, 255, 0xDA, 0xC0, 0xC2, int(rng.integers(256))])

        cut = rescue(bytes(damaged))

        assert cut is None or 0 <= cut[1] <= 1


@pytest.mark.parametrize(
    "filling",
    [
        b"\xff",
        b"\xff\xd0",
        b"\xff\xe0\0\2",
        b"\xff\xda\0\x0c\3\1\0\2\0\3\0\0\x3f\0",
        b"\xff\xda\2\6\xff" + bytes(516),
    ],
)
def test_a_file_made_to_be_slow_is_looked_at_in_seconds(filling: bytes) -> None:
    start = time.process_time()

    rescue(photo()[:-2] + filling * ((8 << 20) // len(filling)))

    assert time.process_time() - start < 10

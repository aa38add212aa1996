from __future__ import annotations

import base64
from typing import Any

import cv2
import numpy as np
import pytest

from mr_jobs.lib.repair import DEFAULTS
from pipeline.report.thumbnails import thumbnail


def made(encoded: bytes, max_image_px: int = 1_000_000) -> dict[str, Any]:
    return thumbnail(encoded, DEFAULTS, max_image_px)


@pytest.mark.parametrize(
    ("width_px", "height_px", "size"),
    [(640, 480, (96, 72)), (48, 30, (48, 30)), (3000, 3, (96, 1)), (50, 400, (12, 96))],
)
def test_a_thumbnail_has_a_longer_side_of_96_pixels_at_most(
    jpeg: Any, width_px: int, height_px: int, size: tuple[int, int]
) -> None:
    found = made(jpeg(width_px, height_px))

    assert (found["width_px"], found["height_px"]) == size
    head, _, body = found["src"].partition(",")
    assert head == "data:image/jpeg;base64"
    image = cv2.imdecode(np.frombuffer(base64.b64decode(body), np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    assert image.shape[:2] == size[::-1]


def test_a_picture_that_lies_on_its_side_stands_upright(jpeg: Any) -> None:
    found = made(jpeg(80, 40, orientation=6))

    assert (found["width_px"], found["height_px"]) == (40, 80)


@pytest.mark.parametrize(
    ("encoded", "problem"),
    [(b"", "empty"), (b"<html>", "not_an_image"), (b"BM", "not_an")],
)
def test_what_does_not_decode_is_a_sentence(encoded: bytes, problem: str) -> None:
    assert problem in made(encoded)["problem"]


def test_an_image_that_is_too_large_is_not_decoded(jpeg: Any) -> None:
    assert "too_many_pixels" in made(jpeg(640, 480), max_image_px=1000)["problem"]

from __future__ import annotations

import string
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from mr_jobs.lib.errors import DataError
from mr_jobs.lib.perceptual import (
    N_HASH,
    N_LUMA,
    PARTS,
    SIGNATURE_DIGITS,
    bands,
    is_flat,
    part_of,
    read_signatures,
    signature,
)


def _field(seed: int = 0, height_px: int = 150, width_px: int = 200) -> NDArray[np.uint8]:
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 7, 3), np.uint8)
    return np.asarray(cv2.resize(coarse, (width_px, height_px), interpolation=cv2.INTER_CUBIC))


@pytest.mark.parametrize("size_px", [(1, 1), (1, 300), (48, 48), (144, 260)])
def test_an_image_of_any_size_has_a_signature_of_200_hexadecimal_digits(size_px: Any) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*size_px, 3), np.uint8)

    text = signature(image)

    assert len(text) == SIGNATURE_DIGITS
    assert set(text) <= set(string.hexdigits.lower())


def test_a_cosine_is_the_one_coefficient_that_it_is() -> None:
    across = 128 + 100 * np.cos(2 * np.pi * (np.arange(480) + 0.5) / 480)  # two half waves
    image = np.broadcast_to(across[None, :, None], (300, 480, 3)).round().astype(np.uint8)

    seen = read_signatures([signature(np.ascontiguousarray(image))])

    assert seen.luma[0, 0, 2] == pytest.approx(1, abs=0.01)
    assert np.abs(seen.luma).sum() == pytest.approx(1, abs=0.05)
    assert seen.contrast[0] == pytest.approx(100 / np.sqrt(2), abs=1)
    assert not seen.chroma.any()


def test_the_mean_colour_is_the_lowest_coefficient_of_chroma() -> None:
    blue = np.full((60, 80, 3), (255, 0, 0), np.uint8)
    red, blue_difference = cv2.cvtColor(blue[:1, :1], cv2.COLOR_BGR2YCrCb)[0, 0, 1:].tolist()

    chroma = read_signatures([signature(blue)]).chroma[0]

    assert chroma[:, 0, 0].tolist() == [red - 128, blue_difference - 128]


def test_size_and_compression_hardly_change_a_signature() -> None:
    image = _field()
    smaller = cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    encoded = cv2.imencode(".jpg", smaller, [cv2.IMWRITE_JPEG_QUALITY, 40])[1]
    copy = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.uint8)

    first, second = read_signatures([signature(image), signature(copy)]).luma

    assert np.abs(first - second).max() < 0.05


@pytest.mark.parametrize("part", [PARTS[1], PARTS[5], PARTS[12]])
def test_the_hash_of_a_part_follows_from_the_signature_of_the_whole(part: Any) -> None:
    image = _field(3, 400, 400)
    (top, bottom), (left, right) = part
    rows, columns = (
        slice(int(top * 400), int(bottom * 400)),
        slice(int(left * 400), int(right * 400)),
    )
    cut = np.ascontiguousarray(image[rows, columns])
    whole, of_cut = read_signatures([signature(image), signature(cut)]).luma

    derived = part_of(N_LUMA, N_HASH, part[0]) @ whole @ part_of(N_LUMA, N_HASH, part[1]).T
    derived[0, 0] = 0  # the mean, which a signature does not have

    of_cut = of_cut[:N_HASH, :N_HASH]
    agreement = (derived * of_cut).sum() / np.linalg.norm(derived) / np.linalg.norm(of_cut)
    assert agreement > 0.995


def test_an_image_without_contrast_is_flat_and_any_other_is_not() -> None:
    noise = np.random.default_rng(0).integers(126, 130, (144, 200, 3), np.uint8)

    assert is_flat(signature(np.zeros((50, 50, 3), np.uint8)))
    assert is_flat(signature(noise))
    assert not is_flat(signature(_field()))


def test_the_keys_of_the_whole_are_its_own_and_those_of_its_weak_bits() -> None:
    wholes, parts = bands(signature(_field()))

    assert len(parts) == len(PARTS)
    assert wholes[0] == parts[0]
    assert len(set(wholes)) == len(wholes) == 16
    assert all(0 <= key < 1 << 16 for key in (*wholes, *parts))
    assert max((wholes[0] ^ key).bit_count() for key in wholes) == 4


def test_copies_share_a_key_and_unrelated_images_seldom_do() -> None:
    image = _field(1, 300, 300)
    crop = np.ascontiguousarray(image[20:280, 5:270])
    wholes, parts = bands(signature(image))
    wholes_of_crop, parts_of_crop = bands(signature(crop))

    assert set(wholes_of_crop) & set(parts) or set(wholes) & set(parts_of_crop)
    strangers = [bands(signature(_field(seed, 300, 300))) for seed in range(10, 60)]
    assert sum(bool(set(wholes) & set(theirs)) for _, theirs in strangers) <= 2


@pytest.mark.parametrize("text", ["", "00", "x" * SIGNATURE_DIGITS, "0" * (SIGNATURE_DIGITS + 2)])
def test_what_is_no_signature_is_refused(text: str) -> None:
    with pytest.raises(DataError, match="perceptual signature"):
        read_signatures([text])

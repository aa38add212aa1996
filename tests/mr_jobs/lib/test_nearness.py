from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from mr_jobs.lib.nearness import FAR, Entries, distances, near_pairs
from mr_jobs.lib.perceptual import PARTS, read_signatures, signature

WHOLE = np.zeros(1, np.intp)


def _field(seed: int, side_px: int = 300) -> NDArray[np.uint8]:
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), np.uint8)
    return np.asarray(cv2.resize(coarse, (side_px, side_px), interpolation=cv2.INTER_CUBIC))


def _distance(part_of_it: NDArray[np.uint8], whole: NDArray[np.uint8]) -> int:
    texts = [signature(np.ascontiguousarray(image)) for image in (part_of_it, whole)]
    first, second = (read_signatures([text]) for text in texts)
    return int(distances(first, second, WHOLE)[0])


def test_an_image_is_at_no_distance_from_itself() -> None:
    assert _distance(_field(0), _field(0)) == 0


def test_a_crop_is_near_its_original_wherever_it_was_cut() -> None:
    image = _field(1)

    for top, bottom, left, right in ((0, 270, 30, 300), (20, 280, 10, 260), (45, 300, 0, 300)):
        assert _distance(image, image[top:bottom, left:right]) <= 2


def test_unrelated_images_are_far_apart() -> None:
    found = [_distance(_field(seed), _field(seed + 100)) for seed in range(30)]

    assert min(found) > 10


def test_the_same_picture_in_other_colours_is_far_away() -> None:
    grey = _field(2)[..., 0]
    tinted = np.dstack([grey, grey // 2 + 20, grey // 2 + 90])

    assert _distance(np.dstack([grey] * 3), tinted) == FAR


def test_distances_of_many_are_those_of_each() -> None:
    texts = [signature(_field(seed)) for seed in range(12)]
    crops = [signature(np.ascontiguousarray(_field(seed)[10:280, 5:290])) for seed in range(12)]
    parts = np.arange(12) % len(PARTS)
    many = distances(read_signatures(texts), read_signatures(crops), parts)

    alone = [
        int(distances(read_signatures([a]), read_signatures([b]), parts[i : i + 1])[0])
        for i, (a, b) in enumerate(zip(texts, crops, strict=True))
    ]

    assert many.tolist() == alone


def test_of_many_equal_images_each_is_paired_with_few_older_ones() -> None:
    entries = Entries()
    text = signature(_field(0))
    for _ in range(500):
        entries.add(7, text, [-1, 0])

    pairs = list(near_pairs(entries, 5))

    assert {newer for newer, _, _ in pairs} == set(range(1, 500))
    assert len(pairs) <= 8 * 500
    assert all(older < newer and distance == 0 for newer, older, distance in pairs)


def test_images_of_different_keys_are_not_compared() -> None:
    entries = Entries()
    for band in range(4):
        entries.add(band, signature(_field(0)), [-1, 0])

    assert list(near_pairs(entries, 5)) == []


def test_newer_images_change_no_pair_of_the_older_ones() -> None:
    rng = np.random.default_rng(0)
    images = [_field(seed % 5) for seed in range(40)]
    texts = [
        signature(np.clip(image + rng.normal(0, 4, image.shape), 0, 255).astype(np.uint8))
        for image in images
    ]
    few, many = Entries(), Entries()
    for number, text in enumerate(texts):
        if number < 20:
            few.add(0, text, [-1, 0, 3])
        many.add(0, text, [-1, 0, 3])

    old = list(near_pairs(few, 5))

    assert old
    assert [pair for pair in near_pairs(many, 5) if pair[0] < 20] == old

"""An image's row says what the image is, whether it is used, and what its pixels need."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest

from mr_jobs.lib.features import FeatureSpec
from mr_jobs.lib.images import decode
from mr_jobs.lib.judge import MIN_SIDE_PX, catalog_row
from mr_jobs.lib.perceptual import signature
from mr_jobs.lib.records import CatalogRow
from mr_jobs.lib.repair import RepairSettings

MakeImage = Callable[..., bytes]
SPEC = FeatureSpec()
PLACE = ("00000-00000.seq", 87, 1000)


def judged(encoded: bytes, key: str = "train/n01/a.JPEG", spec: FeatureSpec = SPEC) -> CatalogRow:
    return catalog_row(key, PLACE, encoded, spec)


def test_a_plain_image_is_kept_without_repairs(jpeg: MakeImage) -> None:
    encoded = jpeg(640, 480)

    row = judged(encoded)

    assert row.to_line() == "\t".join(
        [
            *("a", "n01", "train", "train/n01/a.JPEG", "00000-00000.seq", "87", "1000"),
            str(len(encoded)),
            hashlib.sha256(encoded).hexdigest(),
            *("640", "480", "3", "jpeg", "1", r"\N"),
            signature(decode(encoded, min_side_px=MIN_SIDE_PX)),
            *("kept", r"\N"),
        ]
    )


def test_the_row_does_not_depend_on_the_size_that_features_are_made_at(jpeg: MakeImage) -> None:
    encoded = jpeg(1600, 1200)

    assert judged(encoded) == judged(encoded, spec=FeatureSpec(image_px=288))


@pytest.mark.parametrize(
    ("key", "format", "repairs"),
    [
        ("train/n01/a.JPEG", "PNG", "format_png"),
        ("train/n01/a.jpg", "WEBP", "format_webp"),
        ("train/n01/a.png", "JPEG", "format_jpeg"),
        ("train/n01/a.png", "PNG", None),
        ("train/n01/a.tif", "TIFF", None),
        ("train/n01/a", "PNG", None),
        ("train/n01/a.cls", "PNG", None),
    ],
)
def test_a_name_of_another_format_is_a_repair(
    jpeg: MakeImage, key: str, format: str, repairs: str | None
) -> None:
    assert judged(jpeg(format=format), key).repairs == repairs


def test_repairs_are_listed_in_order(jpeg: MakeImage) -> None:
    row = judged(jpeg(format="TIFF", mode="CMYK", orientation=6))

    assert row.repairs == "cmyk,format_tiff,orientation"
    assert row.counters() == [
        *("catalogued", "kept", "repaired_cmyk", "repaired_format_tiff", "repaired_orientation")
    ]


def test_a_refused_image_has_neither_repairs_nor_signature(jpeg: MakeImage) -> None:
    row = judged(jpeg(300, 200, orientation=6)[:-600])

    assert (row.status, row.reason) == ("quarantined", "undecodable")
    assert (row.width, row.exif_orientation) == (300, 6)
    assert (row.repairs, row.signature) == (None, None)
    assert row.counters() == ["catalogued", "quarantined", "quarantined_undecodable"]


def test_the_settings_decide_over_truncated_images(jpeg: MakeImage) -> None:
    cut = jpeg(300, 200)[:-600]

    row = judged(cut, spec=FeatureSpec(repair=RepairSettings(min_decoded_share=0.3)))

    assert (row.status, row.repairs) == ("kept", "truncated")


def test_an_image_quarantined_unread_stays_there_for_its_first_reason(jpeg: MakeImage) -> None:
    assert judged(jpeg(), "quarantine/unlabelled/a.JPEG").reason == "unlabelled"
    assert judged(b"", "quarantine/unlabelled/a.JPEG").reason == "unlabelled"

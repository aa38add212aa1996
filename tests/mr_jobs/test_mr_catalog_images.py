from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mr_jobs.lib.errors import BundleError
from mr_jobs.lib.records import CatalogRow
from mr_jobs.lib.sequencefile import open_reader
from mr_jobs.mr_catalog_images import MRCatalogImages


def test_empty_bundle_gives_an_empty_catalogue(run_job: Any, bundle: Any) -> None:
    result = run_job(MRCatalogImages, bundle())

    assert result.lines == []
    assert result.counters == {}


def test_every_image_gets_a_row_and_the_bad_ones_a_reason(
    run_job: Any, bundle: Any, jpeg: Any
) -> None:
    path = bundle(
        ("train/n01/good.JPEG", jpeg(width_px=40, height_px=30)),
        ("train/n01/html.JPEG", b"<html>404</html>"),
        ("train/n01/empty.JPEG", b""),
        ("quarantine/unlabelled/v2.JPEG", jpeg()),
    )

    result = run_job(MRCatalogImages, path)

    rows = {row.image_id: row for row in map(CatalogRow.from_line, result.lines)}
    assert {name: (row.status, row.reason) for name, row in rows.items()} == {
        "good": ("kept", None),
        "html": ("quarantined", "not_an_image"),
        "empty": ("quarantined", "empty"),
        "v2": ("quarantined", "unlabelled"),
    }
    assert (rows["good"].width, rows["good"].height, rows["good"].format) == (40, 30, "jpeg")
    assert result.counters["catalogued"] == 4
    assert result.counters["kept"] == 1
    assert result.counters["quarantined"] == 3


def test_offsets_lead_back_to_the_images(run_job: Any, bundle: Any, jpeg: Any) -> None:
    images = [(f"train/n01/{i}.JPEG", jpeg(seed=i)) for i in range(50)]
    path = bundle(*images)

    result = run_job(MRCatalogImages, path)

    with open_reader(path) as reader:
        for row in map(CatalogRow.from_line, result.lines):
            record = reader.read_at(row.span()[0])
            assert record.key == row.key.encode()
            assert record.length == row.length


def test_rows_come_in_the_order_of_the_bundle(run_job: Any, bundle: Any, jpeg: Any) -> None:
    same = jpeg(seed=7)
    keys = ["val/n02/b.JPEG", "train/n01/z.JPEG", "train/n01/a.JPEG"]

    result = run_job(MRCatalogImages, bundle(*((key, same) for key in keys)))

    rows = [CatalogRow.from_line(line) for line in result.lines]
    assert [row.key for row in rows] == keys
    assert len({row.signature for row in rows}) == 1


def test_rows_are_the_same_on_the_local_runner(run_job: Any, bundle: Any, jpeg: Any) -> None:
    path = bundle(*((f"train/n01/{i}.JPEG", jpeg(seed=i)) for i in range(8)))

    inline = run_job(MRCatalogImages, path)
    local = run_job(MRCatalogImages, path, runner="local")

    assert inline.lines == local.lines
    assert inline.counters == local.counters


def test_truncated_bundle_fails_with_its_name_and_offset(
    run_job: Any, bundle: Any, jpeg: Any
) -> None:
    path: Path = bundle(("train/n01/a.JPEG", jpeg()), ("train/n01/b.JPEG", jpeg()))
    path.write_bytes(path.read_bytes()[:-10])

    with pytest.raises(BundleError, match=r"part-00000: .* at byte \d+"):
        run_job(MRCatalogImages, path)


def test_images_over_the_pixel_limit_are_quarantined(run_job: Any, bundle: Any, jpeg: Any) -> None:
    path = bundle(("train/n01/a.JPEG", jpeg(width_px=40, height_px=30)))

    result = run_job(MRCatalogImages, path, args=("--features", '{"max_image_px": 1199}'))

    assert [CatalogRow.from_line(line).reason for line in result.lines] == ["too_many_pixels"]


def test_repairs_of_kept_images_are_counted_by_kind(run_job: Any, bundle: Any, jpeg: Any) -> None:
    path = bundle(
        ("train/n01/a.JPEG", jpeg(format="PNG", mode="I;16")),
        ("train/n01/b.JPEG", jpeg(mode="CMYK")),
        ("train/n01/c.JPEG", jpeg(mode="CMYK", orientation=3)),
        ("quarantine/unlabelled/d.JPEG", jpeg(mode="CMYK")),
        ("train/n01/e.JPEG", jpeg()[:-100]),
    )

    counters = run_job(MRCatalogImages, path).counters

    assert {name: n for name, n in counters.items() if name.startswith("repaired_")} == {
        "repaired_bits_16": 1,
        "repaired_cmyk": 2,
        "repaired_format_png": 1,
        "repaired_orientation": 1,
    }


def test_a_setting_reaches_the_job(run_job: Any, bundle: Any, jpeg: Any) -> None:
    path = bundle(("train/n01/a.JPEG", jpeg(300, 200)[:-600]))
    args = ("--features", '{"repair": {"min_decoded_share": 0.3}}')

    strict, lenient = run_job(MRCatalogImages, path), run_job(MRCatalogImages, path, args=args)

    assert [CatalogRow.from_line(line).reason for line in strict.lines] == ["undecodable"]
    assert [CatalogRow.from_line(line).repairs for line in lenient.lines] == ["truncated"]

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
            record = reader.read_at(row.offset)
            assert record.key == row.key.encode()
            assert record.length == row.length


def test_duplicates_are_kept_and_point_to_the_first_key(
    run_job: Any, bundle: Any, jpeg: Any
) -> None:
    same = jpeg(seed=7)
    path = bundle(
        ("val/n02/b.JPEG", same), ("train/n01/a.JPEG", same), ("train/n01/c.JPEG", jpeg(seed=8))
    )

    result = run_job(MRCatalogImages, path)

    rows = {row.image_id: row for row in map(CatalogRow.from_line, result.lines)}
    assert rows["a"].duplicate_of is None
    assert rows["b"].duplicate_of == "train/n01/a.JPEG"
    assert rows["b"].status == "kept"
    assert result.counters["duplicates"] == 1


def test_rows_are_the_same_on_the_local_runner(run_job: Any, bundle: Any, jpeg: Any) -> None:
    path = bundle(*((f"train/n01/{i}.JPEG", jpeg(seed=i)) for i in range(8)))

    inline = run_job(MRCatalogImages, path)
    local = run_job(MRCatalogImages, path, runner="local")

    assert sorted(inline.lines) == sorted(local.lines)
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

    result = run_job(MRCatalogImages, path, args=("--max-image-px", "1199"))

    assert [CatalogRow.from_line(line).reason for line in result.lines] == ["too_many_pixels"]

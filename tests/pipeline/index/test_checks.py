"""Every check finds its fault, planted into tables that are well otherwise."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mr_jobs.lib.errors import JobError
from pipeline.index import load
from pipeline.index.definitions import named
from pipeline.progress import Progress
from tests.pipeline.index.small_tables import Tables, local_images, small_tables


def _copy(table: str, **changes: object) -> Callable[[Tables], object]:
    """Repeat the first row of a table with other values in it."""

    def plant(rows: Tables) -> None:
        rows[table].append(rows[table][0] | changes)

    return plant


def _change(table: str, **changes: object) -> Callable[[Tables], object]:
    def plant(rows: Tables) -> None:
        rows[table][-1].update(changes)

    return plant


FAULTS: dict[str, Callable[[Tables], object]] = {
    "images_key_unique": _copy("images", offset=1, image_id="other"),
    "images_place_unique": _copy("images", key="train/n01440764/b.JPEG", image_id="b"),
    "images_not_null": _change("images", sha256=None),
    "images_accepted_values": _change("images", split="valid", key="valid/unlabelled/x.JPEG"),
    "images_status": _change("images", reason=None),
    "images_key_parts": _change("images", key="train/n01440764/nobody.JPEG"),
    "images_synset": lambda rows: rows["synsets"].pop(),
    "synsets_unique": lambda rows: rows["synsets"].append(
        rows["synsets"][-1] | {"class_index": 3, "ilsvrc_id": None}
    ),
    "synsets_numbers": _change("synsets", class_index=1),
    "synsets_ilsvrc_id_unique": _change("synsets", ilsvrc_id=9),
    "boxes_unique": _copy("boxes"),
    "boxes_values": _change("boxes", truncated=2),
    "predictions_unique": _change("predictions", rank=1),
    "predictions_values": _change("predictions", score=None),
    "predictions_have_images": lambda rows: rows["predictions"].append(
        rows["predictions"][0] | {"key": "val/n01440764/none.JPEG"}
    ),
    "duplicates_unique": lambda rows: rows["duplicates"].append(rows["duplicates"][1]),
    "duplicates_groups": lambda rows: rows["duplicates"].remove(rows["duplicates"][0]),
    "duplicates_values": _change("duplicates", distance=4),
    "duplicates_have_images": _change("duplicates", key="train/n01440764/none.JPEG"),
    "refused_values": _change("refused", reason=None),
}
WARNED: dict[str, Callable[[Tables], object]] = {
    "images_id_unique": _copy("images", key="train/n01440764/b.JPEG", offset=1),
    "boxes_have_images": _change("boxes", image_id="nobody"),
    "boxes_inside": _change("boxes", xmax=101),
    "boxes_have_synsets": _change("boxes", wnid="n99999999"),
}


@pytest.mark.parametrize("check", FAULTS)
def test_a_planted_fault_fails_the_load_with_its_check_and_rows(check: str, tmp_path: Path) -> None:
    rows = small_tables()
    FAULTS[check](rows)

    with pytest.raises(JobError, match=rf"check {check} \(.*found \w+=.*hive/checks/{check}.sql"):
        load(local_images(tmp_path, rows), None, Progress("index"))


@pytest.mark.parametrize("check", WARNED)
def test_what_is_only_odd_is_a_warning(check: str, tmp_path: Path) -> None:
    rows = small_tables()
    WARNED[check](rows)

    (warning,) = load(local_images(tmp_path, rows), None, Progress("index"))["warnings"]

    assert warning.startswith(f"check {check} (")


def test_every_check_has_its_planted_fault() -> None:
    assert {*FAULTS, *WARNED} == set(named("checks"))


def test_synsets_of_images_are_not_asked_for_without_a_mapping(tmp_path: Path) -> None:
    rows = small_tables()
    rows["synsets"].clear()

    assert load(local_images(tmp_path, rows), None, Progress("index"))["warnings"] == []


def test_only_the_first_rows_are_told(tmp_path: Path) -> None:
    rows = small_tables()
    for image in rows["images"]:
        image["sha256"] = "short"

    with pytest.raises(JobError) as error:
        load(local_images(tmp_path, rows), None, Progress("index"))

    assert str(error.value).count("key=") == 3
    assert "; …; all of them" in str(error.value)

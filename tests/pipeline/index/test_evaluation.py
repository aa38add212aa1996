"""The errors by size that the index tells are those of counting by hand."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from pipeline.images import Images
from pipeline.index_step import errors_of
from tests.pipeline.index.small_tables import RUN_ID, Row, local_images, small_tables

IMAGE_BINS = [(0, 100), (100, 200), (200, 300), (300, 400), (400, 500), (500, None)]
BOX_BINS = [(0, 10), (10, 25), (25, 50), (50, 75), (75, None)]


def low_of(bins: list[tuple[int, int | None]], value: float) -> int:
    return max(low for low, _ in bins if low <= value)


def told(rows: list[dict[str, Any]], split: str = "val") -> dict[int, tuple[int, int, int]]:
    names = ("n_images", "n_top1_errors", "n_topk_errors")
    return {row["low"]: tuple(row[name] for name in names) for row in rows if row["split"] == split}


def right(row: Row, ranks: range) -> bool:
    return row["rank"] in ranks and row["predicted"] == row["wnid"]


def by_hand(rows: list[Row], sizes: dict[str, int]) -> dict[int, tuple[int, int, int]]:
    """Count the errors of predictions by the size of their images."""
    counts: Counter[tuple[int, int]] = Counter()
    for key, low in sizes.items():
        mine = [row for row in rows if row["key"] == key]
        counts[low, 0] += 1
        counts[low, 1] += not any(right(row, range(1, 2)) for row in mine)
        counts[low, 2] += not any(right(row, range(1, 99)) for row in mine)
    return {low: (counts[low, 0], counts[low, 1], counts[low, 2]) for low in {*sizes.values()}}


def test_errors_by_the_shorter_side_of_the_image(tmp_path: Path) -> None:
    rows = small_tables()
    val = [image for image in rows["images"] if image["split"] == "val"]
    for image, (width, height) in zip(
        val, [(99, 700), (700, 100), (200, 199), (200, 200), (500, 500), (3000, 499)], strict=True
    ):
        image.update(width=width, height=height)
    rows["predictions"] = [row for row in rows["predictions"] if row["rank"] < 3]

    answers = errors_of(local_images(tmp_path, rows), RUN_ID)["errors_by_image_size"]

    sizes = {
        image["key"]: low_of(IMAGE_BINS, min(image["width"], image["height"])) for image in val
    }
    assert sorted(sizes.values()) == [0, 100, 100, 200, 400, 500]
    assert told(answers) == by_hand(rows["predictions"], sizes)
    assert {(row["low"], row["high"]) for row in answers} <= set(IMAGE_BINS)


def test_errors_by_the_largest_box_of_the_image(tmp_path: Path) -> None:
    rows = small_tables()
    val = [image for image in rows["images"] if image["split"] == "val"]
    corners = {0: [(0, 0, 30, 30), (0, 0, 50, 50)], 1: [(0, 0, 100, 100)], 2: [(0, 0, 30, 30)]}
    model = rows["boxes"][0]
    rows["boxes"] = [
        model
        | {"split": "val", "image_id": val[at]["image_id"], "wnid": val[at]["wnid"], "box": number}
        | dict(zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True))
        for at, boxes in corners.items()
        for number, box in enumerate(boxes)
    ]
    rows["boxes"][-1].update(image_width=None, image_height=None)  # of a csv: the image's own size
    val[2].update(width=30, height=60)

    answers = errors_of(local_images(tmp_path, rows), RUN_ID)["errors_by_box_size"]

    sizes = {val[at]["key"]: low for at, low in ((0, 25), (1, 75), (2, 50))}
    assert told(answers) == by_hand(rows["predictions"], sizes)
    assert {(row["low"], row["high"]) for row in answers} <= set(BOX_BINS)


def test_images_that_the_run_moved_out_of_train_have_their_size(tmp_path: Path) -> None:
    rows = small_tables()
    image = rows["images"][0]
    assert image["key"] == "train/n01440764/n01440764_0.JPEG"
    rows["predictions"] = [
        rows["predictions"][0] | {"key": f"{split}/n01440764/n01440764_0.JPEG", "split": split}
        for split in ("val", "test")
    ]

    answers = errors_of(local_images(tmp_path, rows), RUN_ID)

    low = low_of(IMAGE_BINS, min(image["width"], image["height"]))
    for split in ("val", "test"):
        (found,) = told(answers["errors_by_image_size"], split).items()
        assert (found[0], found[1][0]) == (low, 1)
        assert told(answers["errors_by_box_size"], split).keys() == {75}  # its larger box


def test_an_image_of_the_same_name_in_train_is_not_mistaken_for_it(tmp_path: Path) -> None:
    rows = small_tables()
    val = next(image for image in rows["images"] if image["split"] == "val")
    twin = {"key": val["key"].replace("val/", "train/", 1), "split": "train", "width": 9000}
    rows["images"].append(val | twin | {"height": 9000, "offset": 99_999_999})

    answers = errors_of(local_images(tmp_path, rows), RUN_ID)["errors_by_image_size"]

    assert sum(n for n, _, _ in told(answers).values()) == 6
    assert 500 not in told(answers)


@pytest.mark.parametrize("run_id", ["another", "it's \\ one"])
def test_another_run_has_no_errors_here(images: Images, run_id: str) -> None:
    assert errors_of(images, run_id) == {"errors_by_image_size": [], "errors_by_box_size": []}


def test_unlabelled_images_are_left_out(tmp_path: Path) -> None:
    rows = small_tables()
    key = "test/unlabelled/ILSVRC2012_test_00000001.JPEG"
    mine = {"key": key, "split": "test", "wnid": "unlabelled", "image_id": key[16:-5]}
    rows["predictions"] = [rows["predictions"][0] | mine]

    answers = errors_of(local_images(tmp_path, rows), RUN_ID)

    assert answers == {"errors_by_image_size": [], "errors_by_box_size": []}

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from mr_jobs.lib.errors import DataError
from pipeline.layouts import find_raw_data
from pipeline.layouts.hierarchy import read_tree

IS_A = "n00 n01\nn01 n02\nn01 n03\nn00 n04\nn03 n05\n"
Row = tuple[int, str, str, int, Any]


def write_meta(path: Path, year: int, rows: list[Row]) -> Path:
    """Write a devkit's meta.mat, with what it says of children and heights."""
    kinds = [(f"ILSVRC{year}_ID", "O"), ("WNID", "O"), ("words", "O"), ("num_children", "O")]
    path.parent.mkdir(parents=True, exist_ok=True)
    values = [(*row[:4], np.array(row[4], np.uint16)) for row in rows]
    synsets = np.empty(len(rows), [*kinds, ("children", "O")])
    for place, row in enumerate(values):
        synsets[place] = row
    savemat(path, {"synsets": synsets})
    return path


ROWS: list[Row] = [
    (1, "n02", "tench", 0, []),
    (2, "n04", "hen", 0, []),
    (3, "n05", "drake", 0, []),
    (4, "n03", "duck", 1, [3]),  # a single child is a number in the file, not an array
    (5, "n01", "fowl", 2, [1, 4]),
    (6, "n00", "entity", 2, [5, 2]),
]


@pytest.mark.parametrize("year", [2010, 2012])
def test_the_devkits_children_are_the_same_tree_as_is_a(tmp_path: Path, year: int) -> None:
    meta = write_meta(tmp_path / "meta.mat", year, ROWS)
    is_a = tmp_path / "wordnet.is_a.txt"
    is_a.write_text(IS_A)

    trees = [read_tree(path, ["n02", "n04", "n05"]) for path in (meta, is_a)]

    assert trees[0] is not None
    assert trees[1] is not None
    assert trees[0].edges() == trees[1].edges()
    assert (trees[0].max_height, trees[0].cost("n02", "n05")) == (3, 2)


def test_only_what_is_above_the_classes_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "wordnet.is_a.txt"
    path.write_text(IS_A)

    tree = read_tree(path, ["n02", "n03", "n99"])

    assert tree is not None
    assert tree.edges() == [("n00", "n01"), ("n01", "n02"), ("n01", "n03")]


@pytest.mark.parametrize("wnids", [[], ["n02"], ["n02", "n99"]])
def test_a_tree_of_fewer_than_two_classes_is_none(tmp_path: Path, wnids: list[str]) -> None:
    path = tmp_path / "wordnet.is_a.txt"
    path.write_text(IS_A)

    assert read_tree(path, wnids) is None


def test_a_meta_file_without_children_tells_no_tree(tmp_path: Path) -> None:
    kinds = [("ILSVRC2012_ID", "O"), ("WNID", "O"), ("words", "O")]
    rows = np.array([(1, "n02", "tench"), (2, "n04", "hen")], kinds)
    savemat(tmp_path / "meta.mat", {"synsets": rows})

    assert read_tree(tmp_path / "meta.mat", ["n02", "n04"]) is None


def test_a_child_that_is_not_there_is_refused(tmp_path: Path) -> None:
    path = write_meta(tmp_path / "meta.mat", 2012, [*ROWS[:5], (6, "n00", "entity", 2, [5, 77])])

    with pytest.raises(DataError, match=r"meta\.mat: is not a devkit's meta file"):
        read_tree(path, ["n02", "n04"])


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"n00 n01\nn01 n00\n", "goes in a circle at or below n00"),
        (b"n00 \xff\n", "is not text in UTF-8"),
        (b"<html>a page</html>\nof three words\n", "line 2 is not `parent child`"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "wordnet.is_a.txt"
    path.write_bytes(content)

    with pytest.raises(DataError, match=rf"wordnet\.is_a\.txt: .*{sentence}"):
        read_tree(path, ["n00", "n01"])


@pytest.mark.parametrize(
    "place",
    ["wordnet.is_a.txt", "devkit/data/wordnet.is_a.txt", "ILSVRC2010_devkit-1.0/data/meta.mat"],
)
def test_the_tree_is_found_beside_the_devkits_other_files(tmp_path: Path, place: str) -> None:
    image = tmp_path / "train" / "n02" / "a.JPEG"
    image.parent.mkdir(parents=True)
    image.touch()
    if place.endswith("mat"):
        write_meta(tmp_path / place, 2012, ROWS)
    else:
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text(IS_A)

    assert find_raw_data(tmp_path).tree_file == tmp_path / place


def test_data_without_a_tree_has_none(tmp_path: Path) -> None:
    image = tmp_path / "train" / "n02" / "a.JPEG"
    image.parent.mkdir(parents=True)
    image.touch()

    assert find_raw_data(tmp_path).tree_file is None

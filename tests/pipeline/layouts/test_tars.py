"""Tars as data sets: ILSVRC's of any year, one a class, and a tar given by itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from mr_jobs.lib.errors import DataError
from pipeline.layouts import find_raw_data
from tests.pipeline.tar_factory import cut_in_member, directory, regular, tar, train_tar

CAT = tar(regular("cat_1.JPEG"), regular("cat_2.JPEG"))
DOG = tar(regular("dog_1.JPEG"))


def _write(root: Path, **tars: bytes) -> Path:
    for name, packed in tars.items():
        path = root / f"{name.replace('__', '/')}.tar"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(packed)
    return root


@pytest.mark.parametrize("name", ["ILSVRC2012_img", "ILSVRC2010_images", "ILSVRC2017_img"])
def test_the_tars_of_any_year_are_known(tmp_path: Path, name: str) -> None:
    root = _write(tmp_path, **{f"{name}_train": train_tar({"n01": CAT, "n02": DOG})})
    _write(tmp_path, **{f"{name}_test_v10102019": tar(directory("test"), regular("test/t1.JPEG"))})

    data = find_raw_data(root)

    assert data.layout == "ILSVRC tars"
    assert [source.name for source in data.sources] == [
        "train/n01.tar",
        "train/n02.tar",
        "test/flat.tar",
    ]


def test_the_tar_of_another_task_is_left_out_with_a_warning(tmp_path: Path) -> None:
    _write(tmp_path, ILSVRC2012_img_train=train_tar({"n01": CAT}))
    _write(tmp_path, ILSVRC2012_img_train_t3=train_tar({"n02": DOG}))

    data = find_raw_data(tmp_path)

    assert [source.wnid for source in data.sources] == ["n01"]
    assert "ILSVRC2012_img_train_t3.tar is left out" in data.warnings[0]


def test_two_tars_for_one_split_are_refused_by_name(tmp_path: Path) -> None:
    _write(tmp_path, ILSVRC2012_img_train=b"", ILSVRC2013_img_train=b"")

    with pytest.raises(DataError, match=r"more than one train tar \(ILSVRC2012.*ILSVRC2013"):
        find_raw_data(tmp_path)


def test_one_tar_is_a_data_set_with_the_label_files_beside_it(tmp_path: Path) -> None:
    _write(tmp_path, ILSVRC2012_img_train=train_tar({"n01": CAT}), ILSVRC2012_img_val=DOG)
    (tmp_path / "LOC_synset_mapping.txt").write_text("n01 cat\nn02 dog\n")

    data = find_raw_data(tmp_path / "ILSVRC2012_img_train.tar")

    assert [(s.split, s.wnid) for s in data.sources] == [("train", "n01")]
    assert data.words == {"n01": "cat", "n02": "dog"}


def test_a_val_tar_by_itself_needs_its_labels(tmp_path: Path) -> None:
    _write(tmp_path, ILSVRC2012_img_val=DOG)
    with pytest.raises(DataError, match="no labels; expected"):
        find_raw_data(tmp_path / "ILSVRC2012_img_val.tar")

    (tmp_path / "LOC_val_solution.csv").write_text("dog_1,n02 1 2 3 4\n")
    data = find_raw_data(tmp_path / "ILSVRC2012_img_val.tar")

    assert [(s.split, s.wnid, s.offset) for s in data.sources] == [("val", "", 0)]


def test_a_folder_of_one_tar_a_class_is_recognised_with_and_without_splits(tmp_path: Path) -> None:
    flat = find_raw_data(_write(tmp_path / "flat", n01=CAT, n02=DOG))
    split = find_raw_data(_write(tmp_path / "split", train__n01=CAT, val__n01=DOG))

    assert flat.layout == split.layout == "class tars"
    assert [source.name for source in flat.sources] == ["train/n01.tar", "train/n02.tar"]
    assert [source.name for source in split.sources] == ["train/n01.tar", "val/n01.tar"]


def test_a_class_tar_by_itself_is_a_data_set(tmp_path: Path) -> None:
    data = find_raw_data(_write(tmp_path, n01=CAT) / "n01.tar")

    assert [(s.split, s.wnid, s.length) for s in data.sources] == [("train", "n01", len(CAT))]


def test_a_file_that_is_no_tar_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(b"PK")

    with pytest.raises(DataError, match=r"x\.zip: is a file, but no \.tar"):
        find_raw_data(tmp_path / "x.zip")


def test_a_tar_that_is_a_link_out_of_the_data_set_is_not_followed(tmp_path: Path) -> None:
    outside = _write(tmp_path / "outside", x=train_tar({"n01": CAT}))
    root = _write(tmp_path / "data")
    root.mkdir()
    (root / "ILSVRC2012_img_train.tar").symlink_to(outside / "x.tar")

    with pytest.raises(DataError, match="known layout: found 1 links"):
        find_raw_data(root)


def test_a_cut_tar_is_an_error_that_allow_damaged_turns_into_a_warning(tmp_path: Path) -> None:
    packed = cut_in_member(train_tar({"n01": CAT, "n02": DOG}), "n02.tar")
    root = _write(tmp_path, ILSVRC2012_img_train=packed)

    with pytest.raises(DataError, match=r"cut off in the middle of member 'n02\.tar'"):
        find_raw_data(root)
    data = find_raw_data(root, allow_damaged=True)

    assert [source.wnid for source in data.sources] == ["n01"]
    assert "n02.tar" in data.warnings[0]

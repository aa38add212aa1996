from __future__ import annotations

from pathlib import Path

import pytest

from mr_jobs.lib.errors import ConfigError, DataError
from pipeline.rawdata import checked_members, find_raw_data


def _touch(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return root


def test_a_folder_of_class_folders_is_training_data(tmp_path: Path) -> None:
    data = find_raw_data(_touch(tmp_path, "cat/1.jpg", "dog/1.jpg", ".git/x"))

    assert [(s.split, s.wnid) for s in data.sources] == [("train", "cat"), ("train", "dog")]
    assert not data.has_val
    assert data.words == {}


def test_the_kaggle_tree_is_recognised(tmp_path: Path) -> None:
    root = "ILSVRC/Data/CLS-LOC"
    _touch(tmp_path, f"{root}/train/n01/a.JPEG", f"{root}/val/v1.JPEG", f"{root}/test/t1.JPEG")
    (tmp_path / "LOC_val_solution.csv").write_text("ImageId,PredictionString\nv1,n01 1 2 3 4 \n")
    (tmp_path / "LOC_synset_mapping.txt").write_text("n01 tench, Tinca tinca\n")

    data = find_raw_data(tmp_path)

    assert [(s.split, s.wnid) for s in data.sources] == [
        ("train", "n01"),
        ("val", ""),
        ("test", ""),
    ]
    assert data.val_labels == {"v1": "n01"}
    assert data.words == {"n01": "tench, Tinca tinca"}


def test_validation_images_in_class_folders_need_no_label_file(tmp_path: Path) -> None:
    data = find_raw_data(_touch(tmp_path, "train/n01/a.JPEG", "val/n01/v1.JPEG"))

    assert [(s.split, s.wnid) for s in data.sources] == [("train", "n01"), ("val", "n01")]


def test_the_devkits_ground_truth_labels_the_validation_images(tmp_path: Path) -> None:
    _touch(tmp_path, "train/n01/a.JPEG", "val/ILSVRC2012_val_00000001.JPEG")
    devkit = tmp_path / "devkit" / "data"
    devkit.mkdir(parents=True)
    (devkit / "map_clsloc.txt").write_text("n02119789 1 kit_fox\nn01440764 449 tench\n")
    (devkit / "ILSVRC2012_validation_ground_truth.txt").write_text("449\n1\n")

    data = find_raw_data(tmp_path)

    assert data.val_labels == {
        "ILSVRC2012_val_00000001": "n01440764",
        "ILSVRC2012_val_00000002": "n02119789",
    }


def test_no_such_directory_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such data directory"):
        find_raw_data(tmp_path / "nowhere")


def test_an_empty_directory_is_no_known_layout(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="known layout"):
        find_raw_data(tmp_path)


def test_validation_images_without_any_labels_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no labels; expected LOC_val_solution\.csv"):
        find_raw_data(_touch(tmp_path, "train/n01/a.JPEG", "val/v1.JPEG"))


@pytest.mark.parametrize("cut", [1200, 1300, 2048, 2100])
def test_a_tar_that_is_cut_off_is_named_with_the_byte(
    tmp_path: Path, make_tar: object, cut: int
) -> None:
    path: Path = make_tar("n.tar", ("a.JPEG", b"a" * 600), ("b.JPEG", b"b"))  # type: ignore[operator]
    path.write_bytes(path.read_bytes()[:cut])

    with pytest.raises(DataError, match=r"n\.tar: is .*cut off.* at byte \d+; fetch the file"):
        list(checked_members(path, 0, cut, [], allow_damaged=False))


def test_on_request_the_images_before_the_damage_are_used(make_tar: object) -> None:
    path: Path = make_tar("n.tar", ("a.JPEG", b"a" * 600), ("b.JPEG", b"b" * 600))  # type: ignore[operator]
    path.write_bytes(path.read_bytes()[:2100])
    warnings: list[str] = []

    members = list(checked_members(path, 0, 2100, warnings, allow_damaged=True))

    assert [member.name for member in members] == ["a.JPEG"]
    assert "cut off" in warnings[0]


def test_garbage_between_two_members_is_damage_not_the_end(make_tar: object) -> None:
    path: Path = make_tar("n.tar", ("a.JPEG", b"a"), ("b.JPEG", b"b"))  # type: ignore[operator]
    content = bytearray(path.read_bytes())
    content[1024:1536] = b"\xa5" * 512
    path.write_bytes(content)

    with pytest.raises(DataError, match="no tar header stands at byte 1024"):
        list(checked_members(path, 0, len(content), [], allow_damaged=False))

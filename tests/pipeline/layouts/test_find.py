from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from mr_jobs.lib.errors import ConfigError, DataError
from pipeline.layouts import find_raw_data, folder_files


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


def test_a_folder_of_validation_only_is_taken_as_it_is(tmp_path: Path) -> None:
    data = find_raw_data(_touch(tmp_path, "val/n01/v1.JPEG", "val/n02/v2.JPEG"))

    assert [(s.split, s.wnid) for s in data.sources] == [("val", "n01"), ("val", "n02")]
    assert data.has_val


def test_a_class_may_be_named_as_a_split_where_there_is_no_train_folder(tmp_path: Path) -> None:
    data = find_raw_data(_touch(tmp_path, "cat/1.jpg", "test/1.jpg"))

    assert [(s.split, s.wnid) for s in data.sources] == [("train", "cat"), ("train", "test")]


def test_the_splits_other_names_are_known_and_two_for_one_are_refused(tmp_path: Path) -> None:
    _touch(tmp_path, "training/n01/a.JPEG", "validation/n01/v1.JPEG")
    assert [s.split for s in find_raw_data(tmp_path).sources] == ["train", "val"]

    with pytest.raises(DataError, match="both val and validation are its val part"):
        find_raw_data(_touch(tmp_path, "val/n01/v1.JPEG"))


def test_a_folder_beside_the_splits_is_left_out_with_a_warning(tmp_path: Path) -> None:
    data = find_raw_data(_touch(tmp_path, "train/n01/a.JPEG", "more/n01/b.JPEG", "devkit/x"))

    assert len(data.sources) == 1
    assert data.warnings == ["more: 1 folder(s) beside train left out"]


@pytest.mark.parametrize("given", [".", "ILSVRC", "ILSVRC/Data/CLS-LOC"])
def test_the_kaggle_tree_is_recognised_from_any_of_its_folders(tmp_path: Path, given: str) -> None:
    _touch(tmp_path, "ILSVRC/Data/CLS-LOC/train/n01/a.JPEG", "ILSVRC/Data/CLS-LOC/val/v1.JPEG")
    _touch(tmp_path, "ILSVRC/Annotations/CLS-LOC/val/v1.xml")
    (tmp_path / "LOC_val_solution.csv").write_text("ImageId,PredictionString\nv1,n01 1 2 3 4 \n")

    data = find_raw_data(tmp_path / given)

    assert data.layout == "Kaggle tree"
    assert [(s.split, s.wnid) for s in data.sources] == [("train", "n01"), ("val", "")]
    assert data.val_labels == {"v1": "n01"}
    assert [(a.kind, a.split) for a in data.annotations] == [("folder", "val"), ("csv", "val")]


def test_the_det_tree_gives_a_label_where_a_folder_is_named_by_a_wnid(tmp_path: Path) -> None:
    root = _touch(
        tmp_path / "ILSVRC",
        "Data/DET/train/ILSVRC2013_train/n00007846/n00007846_1.JPEG",
        "Data/DET/train/ILSVRC2014_train_0000/ILSVRC2014_train_00000001.JPEG",
        "Data/DET/val/ILSVRC2012_val_00000001.JPEG",
        "Data/DET/test/ILSVRC2016_test_00000001.JPEG",
        "Annotations/DET/train/ILSVRC2013_train/n00007846/n00007846_1.xml",
        "Annotations/DET/val/ILSVRC2012_val_00000001.xml",
    )

    data = find_raw_data(root.parent)

    assert data.layout == "DET"
    assert [source.name for source in data.sources] == [
        "train/n00007846__ILSVRC2013_train.tar",
        "train/unlabelled__ILSVRC2014_train_0000.tar",
        "val/unlabelled__flat.tar",
        "test/unlabelled__flat.tar",
    ]
    assert [(a.split, a.frames) for a in data.annotations] == [("train", False), ("val", False)]


def test_the_vid_tree_gives_one_source_a_video_and_frames_unique_names(tmp_path: Path) -> None:
    snippets = (
        "train/ILSVRC2015_VID_train_0000/ILSVRC2015_train_00000000",
        "val/ILSVRC2015_val_00000000",
    )
    for snippet in snippets:
        _touch(tmp_path, f"Data/VID/{snippet}/000000.JPEG", f"Data/VID/{snippet}/000001.JPEG")
        _touch(tmp_path, f"Annotations/VID/{snippet}/000000.xml")

    data = find_raw_data(tmp_path)

    assert data.layout == "VID"
    assert [(s.split, s.wnid) for s in data.sources] == [
        ("train", "unlabelled"),
        ("val", "unlabelled"),
    ]
    assert [name for source in data.sources for name, _, _ in folder_files(source)] == [
        "ILSVRC2015_train_00000000__000000.JPEG",
        "ILSVRC2015_train_00000000__000001.JPEG",
        "ILSVRC2015_val_00000000__000000.JPEG",
        "ILSVRC2015_val_00000000__000001.JPEG",
    ]
    assert all(annotation.frames for annotation in data.annotations)


def test_a_tree_of_two_tasks_says_to_give_one(tmp_path: Path) -> None:
    _touch(tmp_path, "ILSVRC/Data/DET/train/a.JPEG", "ILSVRC/Data/CLS-LOC/train/n01/a.JPEG")

    with pytest.raises(DataError, match=r"CLS-LOC and DET.*give one of them: .*Data/CLS-LOC"):
        find_raw_data(tmp_path)
    assert find_raw_data(tmp_path / "ILSVRC/Data/DET").layout == "DET"


def test_links_out_of_the_data_set_are_left_out_and_told(tmp_path: Path) -> None:
    root = _touch(tmp_path / "data", "cat/1.jpg", "dog/1.jpg")
    outside = _touch(tmp_path / "outside", "secret/1.jpg", "mapping.txt")
    (root / "evil").symlink_to(outside / "secret")
    (root / "LOC_synset_mapping.txt").symlink_to(outside / "mapping.txt")
    (root / "also-cats").symlink_to(root / "cat")

    data = find_raw_data(root)

    assert [source.wnid for source in data.sources] == ["also-cats", "cat", "dog"]
    assert data.words == {}
    assert sorted(warning.rpartition("/")[2][:5] for warning in data.warnings) == ["evil ", "mappi"]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("imagenet.zip", r"found imagenet\.zip, which has to be unpacked first"),
        ("a.jpg", r"found 1 \.jpg; expected ILSVRC2012_img_train\.tar"),
    ],
)
def test_what_is_not_understood_is_named_with_what_is_expected(
    tmp_path: Path, name: str, told: str
) -> None:
    with pytest.raises(DataError, match=told):
        find_raw_data(_touch(tmp_path, name))


def test_the_devkits_meta_file_tells_words_and_numbers(tmp_path: Path) -> None:
    _touch(tmp_path, "train/n01440764/a.JPEG")
    folder = tmp_path / "ILSVRC2012_devkit_t12" / "data"
    folder.mkdir(parents=True)
    kinds = [("ILSVRC2012_ID", "O"), ("WNID", "O"), ("words", "O"), ("num_children", "O")]
    rows = [(449, "n01440764", "tench, Tinca tinca", 0), (1001, "n00001740", "entity", 7)]
    savemat(folder / "meta.mat", {"synsets": np.array(rows, kinds)})

    data = find_raw_data(tmp_path)

    assert data.words == {"n01440764": "tench, Tinca tinca"}
    assert data.ilsvrc_ids == {"n01440764": 449}


@pytest.mark.parametrize("content", [b"", b"no mat", b"MATLAB 5.0 MAT-file" + b"\x01" * 400])
def test_a_meta_file_that_is_none_is_named(tmp_path: Path, content: bytes) -> None:
    _touch(tmp_path, "train/n01440764/a.JPEG")
    (tmp_path / "devkit" / "data").mkdir(parents=True)
    (tmp_path / "devkit" / "data" / "meta.mat").write_bytes(content)

    with pytest.raises(DataError, match=r"meta\.mat: is not a devkit's meta file"):
        find_raw_data(tmp_path)


def test_the_shared_imagenette_is_recognised(shared_dir: Path) -> None:
    data = find_raw_data(shared_dir / "data" / "imagenette10")

    assert data.layout == "ILSVRC tars"
    assert Counter(source.split for source in data.sources) == {"train": 10, "val": 1, "test": 1}
    assert len(data.words) == len(data.ilsvrc_ids) == 1000
    assert data.ilsvrc_ids["n02119789"] == 1
    assert [(a.path.name, a.kind) for a in data.annotations] == [
        ("ILSVRC2012_bbox.tar", "tar"),
        ("LOC_val_solution.csv", "csv"),
    ]
    assert data.warnings == []

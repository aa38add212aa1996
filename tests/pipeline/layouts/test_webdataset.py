"""WebDataset's shards: which member is an image, and what its sample says that it shows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mr_jobs.lib.errors import DataError
from pipeline.layouts import find_raw_data, webdataset_labels
from tests.pipeline.tar_factory import Member, directory, regular, symlink, tar

WNIDS = ["n01", "n02", "n03"]


def _labels(path: Path, *members: Member, wnids: list[str] = WNIDS) -> dict[str, str]:
    """Return each member's wnid, or the reason why it is refused."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(tar(*members))
    (source,) = find_raw_data(path).sources
    assert source.kind == "webdataset"
    found = webdataset_labels(source, wnids, [])
    return {member.name: member.refused or label for member, label in found}


def _sample(key: str, label: bytes = b"0", kind: str = "jpg") -> tuple[Member, Member]:
    return regular(f"{key}.cls", label), regular(f"{key}.{kind}", b"image")


def test_a_number_is_the_class_index_and_a_name_is_itself(tmp_path: Path) -> None:
    found = _labels(
        tmp_path / "imagenet-000000.tar",
        *_sample("0", b"2\n"),
        *_sample("1", b"n02", "jpeg"),
        *_sample("2", b"7", "png"),
    )

    assert found == {"0.jpg": "n03", "1.jpeg": "n02", "2.png": "class_00007"}


def test_without_a_mapping_a_number_gets_a_name_that_sorts(tmp_path: Path) -> None:
    found = _labels(tmp_path / "x-000000.tar", *_sample("0", b"42"), wnids=[])

    assert found == {"0.jpg": "class_00042"}


@pytest.mark.parametrize(
    ("record", "wnid"),
    [
        ({"wnid": "n02", "label": 0}, "n02"),
        ({"label": 0, "class_name": "n02"}, "n02"),
        ({"cls": 1}, "n02"),
        ({"label": "n03"}, "n03"),
        ({"caption": "a cat"}, "unlabelled"),
        ({"label": True}, "unlabelled"),
        ({"label": "../../x"}, "unlabelled"),
        ({"label": -1}, "unlabelled"),
        ([], "unlabelled"),
    ],
)
def test_the_json_tells_the_class(tmp_path: Path, record: object, wnid: str) -> None:
    image, label = regular("a.jpg"), regular("a.json", json.dumps(record).encode())

    assert _labels(tmp_path / "x-0.tar", image, label) == {"a.jpg": wnid}


def test_a_name_in_the_json_says_more_than_a_number_beside_it(tmp_path: Path) -> None:
    label = regular("a.json", b'{"label": 5, "wnid": "n02"}')

    assert _labels(tmp_path / "x-0.tar", *_sample("a", b"5"), label, wnids=[]) == {"a.jpg": "n02"}


@pytest.mark.parametrize(
    "hostile",
    [b"\xff\xfe", b"[" * 60_000, b'{"label": "a\\nb"}', b"9" * 5000, b'{"label": 1e999}', b""],
)
def test_a_label_that_cannot_be_read_is_none(tmp_path: Path, hostile: bytes) -> None:
    found = _labels(
        tmp_path / "x-0.tar",
        *_sample("ok"),
        regular("b.json", hostile),
        regular("b.jpg"),
    )

    assert found == {"ok.jpg": "n01", "b.jpg": "unlabelled"}


def test_a_label_of_a_megabyte_is_refused_unread(tmp_path: Path) -> None:
    found = _labels(tmp_path / "x-0.tar", *_sample("ok"), *_sample("b", b"0" * (1 << 20)))

    assert found == {"ok.jpg": "n01", "b.cls": "label_too_large", "b.jpg": "unlabelled"}


def test_what_is_no_image_is_named_with_a_reason(tmp_path: Path) -> None:
    found = _labels(
        tmp_path / "x-0.tar",
        directory("s"),
        *_sample("s/a"),
        regular("s/a.txt"),
        regular("s/a.seg.png"),
        regular("s/a.png"),
        symlink("s/b.jpg"),
        regular("../c.jpg"),
    )

    assert found == {
        "s/a.jpg": "n01",
        "s/a.txt": "side_file",
        "s/a.seg.png": "side_file",
        "s/a.png": "second_image",
        "s/b.jpg": "link",
        "../c.jpg": "unsafe_name",
    }


def test_keys_that_count_from_zero_get_the_shards_name_in_front(tmp_path: Path) -> None:
    for name in ("train/000000.tar", "train/000001.tar", "val/000000.tar"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(tar(*_sample("0000")))

    data = find_raw_data(tmp_path)

    assert data.layout == "WebDataset"
    assert [(s.split, s.prefix) for s in data.sources] == [
        ("train", "train__000000__"),
        ("train", "train__000001__"),
        ("val", "val__000000__"),
    ]
    assert len({source.name for source in data.sources}) == 3


def test_images_that_are_named_as_ilsvrcs_keep_their_names(tmp_path: Path) -> None:
    (tmp_path / "imagenet-val-00.tar").write_bytes(tar(*_sample("ILSVRC2012_val_00000001")))

    (source,) = find_raw_data(tmp_path).sources

    assert (source.split, source.prefix) == ("val", "")


def test_shards_beside_tars_of_classes_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x-000000.tar").write_bytes(tar(*_sample("0")))
    (tmp_path / "n01.tar").write_bytes(tar(regular("n01_1.JPEG")))

    with pytest.raises(DataError, match=r"holds WebDataset shards \(x-000000\.tar\) and other"):
        find_raw_data(tmp_path)


def test_a_shard_that_is_cut_off_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x-000000.tar"
    path.write_bytes(tar(*_sample("0"), *_sample("1"))[:3000])
    (source,) = find_raw_data(path).sources
    warnings: list[str] = []

    with pytest.raises(DataError, match=r"x-000000\.tar: .*at byte"):
        list(webdataset_labels(source, WNIDS, []))
    found = list(webdataset_labels(source, WNIDS, warnings, allow_damaged=True))

    assert [label for _, label in found] == ["n01"]
    assert len(warnings) == 1

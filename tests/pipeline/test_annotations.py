"""The tables of boxes and synsets, from every form that annotations come in."""

from __future__ import annotations

import gzip
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from mr_jobs.lib.errors import DataError
from pipeline.annotations import IdSet, write_tables
from pipeline.layouts import RawData, find_raw_data
from pipeline.progress import Progress
from pipeline.stores import LocalStore
from tests.pipeline.tar_factory import (
    Member,
    cut_in_member,
    of_claimed_size,
    pax,
    regular,
    symlink,
    tar,
)
from tests.pipeline.test_voc import xml

XML = xml((1, 2, 30, 40))
HEADER = "ImageId,PredictionString\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A data set of one image, to put annotations beside."""
    folder = tmp_path / "data" / "train" / "n01440764"
    folder.mkdir(parents=True)
    (folder / "n01440764_1.JPEG").write_bytes(b"image")
    return tmp_path / "data"


class Tables:
    """What write_tables wrote."""

    def __init__(self, root: Path, **options: Any) -> None:
        self.data: RawData = find_raw_data(root)
        store = LocalStore(root.parent / "store")
        self.counts = write_tables(self.data, store, Progress("test"), **options)
        self.boxes, self.synsets, self.refused = (
            [line.split("\t") for line in (store.root / name).read_text().splitlines()]
            for name in ("boxes/boxes.tsv", "synsets/synsets.tsv", "refused/annotations.tsv")
        )

    @property
    def ids(self) -> list[str]:
        return [row[0] for row in self.boxes]


def test_a_row_has_every_column(root: Path) -> None:
    (root / "ILSVRC2012_bbox_train_v2.tar").write_bytes(tar(regular("n01/n01_1.xml", XML)))

    tables = Tables(root)

    row = "n01_1 train n01440764 0 1 2 30 40 500 375 1 0 xml"
    assert tables.boxes == [row.split()]
    assert tables.counts == {
        **{"boxes": 1, "images": 1, "xml": 1, "solution_csv": 0, "synsets": 1},
        "refused": {},
    }


@pytest.mark.parametrize("form", ["tar", "tar.gz", "tgz", "tar in tar", "tgz in tgz", "folder"])
def test_every_form_gives_the_same_rows(root: Path, form: str) -> None:
    members = [(f"val/ILSVRC2012_val_{i:08d}.xml", xml((i, 2, 30, 40))) for i in range(1, 20)]
    packed = tar(*(regular(name, content) for name, content in members))
    if form == "folder":
        (root / "Data" / "CLS-LOC").mkdir(parents=True)
        (root / "train").rename(root / "Data" / "CLS-LOC" / "train")
        folder = root / "Annotations" / "CLS-LOC"
        (folder / "val").mkdir(parents=True)
        for name, content in members:
            (folder / name).write_bytes(content)
    elif form == "tar in tar":
        (root / "Annotation.tar").write_bytes(tar(regular("val.tar", packed)))
    elif form == "tgz in tgz":
        outer = tar(regular("val.tar.gz", gzip.compress(packed)))
        (root / "Annotation.tar.gz").write_bytes(gzip.compress(outer))
    else:
        content = packed if form == "tar" else gzip.compress(packed)
        (root / f"ILSVRC2012_bbox_val_v3.{form}").write_bytes(content)

    boxes = Tables(root).boxes

    assert [(row[0], row[1], row[4]) for row in boxes] == [
        (f"ILSVRC2012_val_{i:08d}", "val", str(i)) for i in range(1, 20)
    ]


def test_the_csv_tells_only_what_no_xml_does(root: Path) -> None:
    (root / "ILSVRC2012_bbox.tar").write_bytes(
        tar(regular("val/v1.xml", XML), regular("val/v2.xml", xml()))
    )
    (root / "LOC_val_solution.csv").write_text(
        HEADER + "v1,n01440764 9 9 99 99 \nv2,n02 1 1 2 2\nv3,n02 1 1 5 5 n03 2 2 6 6 \n"
    )

    tables = Tables(root)

    assert [(row[0], row[2], row[3], row[-1]) for row in tables.boxes] == [
        ("v1", "n01440764", "0", "xml"),
        ("v3", "n02", "0", "solution_csv"),
        ("v3", "n03", "1", "solution_csv"),
    ]
    assert tables.boxes[1][8:12] == [r"\N"] * 4
    assert tables.refused == []


def test_a_video_frames_id_is_that_of_its_image(root: Path) -> None:
    snippet = "train/ILSVRC2015_VID_train_0000/ILSVRC2015_train_00000000"
    for kind, name, content in (("Data", "000000.JPEG", b"x"), ("Annotations", "000000.xml", XML)):
        folder = root.parent / "vid" / kind / "VID" / snippet
        folder.mkdir(parents=True)
        (folder / name).write_bytes(content)

    assert Tables(root.parent / "vid").ids == ["ILSVRC2015_train_00000000__000000"]


def test_what_is_refused_is_listed_with_its_reason(root: Path) -> None:
    members: list[Member] = [
        regular("n01/ok.xml", XML),
        regular("n01/again/ok.xml", XML),
        regular("n01/bad.xml", b"<!DOCTYPE a>"),
        regular("n01/large.xml", b" " * (1 << 21)),
        regular("n01/half.xml", xml((1, 1, 5, 5), (5, 5, 1, 1))),
        regular("n01/README.txt"),
        regular("n01/tab\tin name.xml", b""),
        symlink("n01/link.xml"),
        regular("../evil.xml", XML),
    ]
    (root / "ILSVRC2012_bbox.tar").write_bytes(tar(*members))
    (root / "LOC_train_solution.csv").write_bytes(
        HEADER.encode() + b"a,n01 1 2 3\n\xff,n01 1 1 2 2\nb,n01 1 1 2 2\nb,n01 1 1 2 2\n,\n"
    )

    tables = Tables(root)

    assert tables.ids == ["ok", "half", "b"]
    assert [row[1:] for row in tables.refused] == [
        ["n01/again/ok.xml", "second_annotation"],
        ["n01/bad.xml", "doctype"],
        ["n01/large.xml", "too_large"],
        ["n01/half.xml", "broken_box"],
        ["n01/README.txt", "not_xml"],
        ["n01/tab%09in name.xml", "not_xml"],
        ["n01/link.xml", "link"],
        ["../evil.xml", "unsafe_name"],
        ["line 2", "not_a_row"],
        ["line 3", "not_utf8"],
        ["line 5", "second_annotation"],
        ["line 6", "not_a_row"],
    ]
    assert tables.counts["refused"] == Counter(row[2] for row in tables.refused)


@pytest.mark.parametrize("compressed", [False, True])
def test_a_tar_of_annotations_that_is_cut_off_is_named(root: Path, compressed: bool) -> None:
    packed = tar(regular("n01/a.xml", XML), regular("n01/b.xml", XML))
    cut = cut_in_member(packed, "n01/b.xml")
    name = "bbox.tar.gz" if compressed else "bbox.tar"
    (root / name).write_bytes(gzip.compress(cut) if compressed else cut)

    with pytest.raises(
        DataError, match=rf"{name}: is cut off in the middle of member 'n01/b\.xml'"
    ):
        Tables(root)
    tables = Tables(root, allow_damaged=True)

    assert tables.ids == ["a"]
    assert "cut off" in tables.data.warnings[0]


def test_a_compressed_file_that_is_cut_off_is_named(root: Path) -> None:
    packed = gzip.compress(tar(*(regular(f"{i}.xml", xml((i, 1, 99, 99))) for i in range(50))))
    (root / "bbox.tgz").write_bytes(packed[: len(packed) // 2])

    with pytest.raises(DataError, match=r"bbox\.tgz: .*fetch the annotations again"):
        Tables(root)


def test_a_header_that_claims_a_terabyte_in_a_compressed_tar_is_damage(root: Path) -> None:
    claims = of_claimed_size("x", 1 << 40, kind=b"x")
    (root / "bbox.tgz").write_bytes(gzip.compress(tar(regular("a.xml", XML), claims)))

    with pytest.raises(DataError, match=r"bbox\.tgz: is no tar.*headers of over"):
        Tables(root)


def test_long_names_are_read_in_a_compressed_tar(root: Path) -> None:
    members = [pax({"path": f"{'folder/' * 30}{i}.xml"}, XML) for i in range(300)]
    (root / "bbox.tgz").write_bytes(gzip.compress(tar(*members)))

    assert Tables(root).ids == [str(i) for i in range(300)]


def test_the_synsets_are_numbered_in_the_order_of_their_wnids(root: Path) -> None:
    (root / "LOC_synset_mapping.txt").write_text("n02 second, 2\nn01 first\n")
    (root / "devkit" / "data").mkdir(parents=True)
    (root / "devkit" / "data" / "map_clsloc.txt").write_text("n02 7 second\n")

    assert Tables(root).synsets == [["n01", "0", r"\N", "first"], ["n02", "1", "7", "second, 2"]]


def test_without_a_list_the_synsets_are_the_classes_that_have_images(root: Path) -> None:
    tables = Tables(root, classes=["class_00003"])

    assert tables.synsets == [
        ["class_00003", "0", r"\N", "class_00003"],
        ["n01440764", "1", r"\N", "n01440764"],
    ]


def test_data_without_annotations_has_empty_tables(root: Path) -> None:
    tables = Tables(root)

    assert tables.boxes == tables.refused == []
    assert tables.counts["boxes"] == 0


def test_the_boxes_of_the_shared_imagenette(shared_dir: Path, tmp_path: Path) -> None:
    data = find_raw_data(shared_dir / "data" / "imagenette10")

    counts = write_tables(data, LocalStore(tmp_path), Progress("test"))

    assert counts["synsets"] == 1000
    assert counts["refused"] == {}
    assert counts["images"] == 88 + 1000  # all of val, from XML or the csv
    rows = (tmp_path / "boxes" / "boxes.tsv").read_text().splitlines()
    assert len(rows) == len({tuple(row.split("\t")[0:4:3]) for row in rows}) == counts["boxes"]


def test_the_set_of_ids_knows_more_than_it_has_kept_lately() -> None:
    ids = IdSet()

    assert all(ids.add(f"image_{i}") for i in range(200_000))
    assert not any(ids.add(f"image_{i}") for i in range(0, 200_000, 1000))
    assert "image_7" in ids
    assert "image_200000" not in ids

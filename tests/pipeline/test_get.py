from __future__ import annotations

import random
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from mr_jobs.lib.sequencefile import open_reader
from pipeline.delivery import path_of
from tests.pipeline.made_store import MadeStore

RANDOM = random.Random(5)
PICTURES = {
    f"{split}/n{i % 7:08}/n{i % 7:08}_{i}.JPEG": RANDOM.randbytes(RANDOM.randrange(2_000, 60_000))
    for split in ("train", "val")
    for i in range(60)
}
HOSTILE = [
    "../../escaped.JPEG",
    "..",
    ".hidden",
    "/etc/passwd",
    "a/b.JPEG",
    "a%2Fb.JPEG",
    "a\\b.JPEG",
    "new\x01line.JPEG",
    "é" * 150 + ".JPEG",
    "é" * 151 + ".JPEG",
    "images.tsv",
]


@pytest.fixture
def store(own_var: Path) -> Callable[..., MadeStore]:
    def make(pictures: Mapping[str, bytes] = PICTURES) -> MadeStore:
        return MadeStore(own_var / "images" / "made", pictures)

    return make


@pytest.fixture
def get(cli: Any) -> Callable[..., Any]:
    return lambda *args: cli("get", *args, "--runner", "local", "--json")


def delivered(folder: Path) -> dict[str, bytes]:
    """Return what is in a directory but the rows, by path."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != "images.tsv")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def rows_in(path: Path) -> list[dict[str, str]]:
    header, *lines = path.read_text("utf-8").split("\n")[:-1]
    return [dict(zip(header.split("\t"), line.split("\t"), strict=True)) for line in lines]


def test_images_come_out_byte_for_byte_by_id_or_key(store: Any, get: Any, tmp_path: Path) -> None:
    made = store()
    keys = RANDOM.sample(sorted(PICTURES), 30)
    ids = [*keys[:20], "n00000004_4"]
    wanted = {*keys[:20], "train/n00000004/n00000004_4.JPEG", "val/n00000004/n00000004_4.JPEG"}

    answer = get(*ids, "--to", tmp_path / "out")

    assert answer.code == 0, answer.err
    assert delivered(tmp_path / "out") == {key: PICTURES[key] for key in wanted}
    rows = rows_in(tmp_path / "out" / "images.tsv")
    assert {row["file"] for row in rows} == wanted
    assert {row["sha256"] for row in rows} == {made.row(key).sha256 for key in wanted}


def test_a_condition_selects_over_the_columns_of_the_catalogue(
    store: Any, get: Any, tmp_path: Path
) -> None:
    made = store()
    where = "wnid IN ('n00000002', 'n00000003') AND width > 400 AND split = 'train'"

    answer = get("--where", where, "--to", tmp_path / "out")

    wanted = {
        row.key
        for row in made.rows
        if row.wnid[-1] in "23" and (row.width or 0) > 400 and row.split == "train"
    }
    assert wanted
    assert delivered(tmp_path / "out") == {key: PICTURES[key] for key in wanted}
    assert answer.json()["images"] == len(wanted)


def test_a_condition_that_no_image_meets_is_no_error(store: Any, get: Any, tmp_path: Path) -> None:
    store()

    answer = get("--where", "width < 0", "--to", tmp_path / "out")

    assert (answer.code, answer.json()["images"]) == (0, 0)
    assert rows_in(tmp_path / "out" / "images.tsv") == []


def test_a_missing_id_is_named_and_the_others_are_delivered(
    store: Any, get: Any, tmp_path: Path
) -> None:
    store()
    key = "train/n00000001/n00000001_1.JPEG"

    answer = get("no_such", key, "it's \\ none", "--to", tmp_path / "out")

    assert answer.code == 5
    assert answer.json()["missing"] == ["it's \\ none", "no_such"]
    assert "2 not delivered: it's \\ none: no such image; no_such: no such image" in answer.err
    assert delivered(tmp_path / "out") == {key: PICTURES[key]}


def test_an_image_whose_bytes_changed_is_not_delivered_but_named(
    store: Any, get: Any, tmp_path: Path
) -> None:
    made = store()
    key = "train/n00000001/n00000001_8.JPEG"
    row = made.row(key)
    with (made.root / "bundles" / row.bundle).open("r+b") as file:
        file.seek(row.offset + row.length - 100)
        file.write(bytes(7))

    answer = get("--where", "wnid = 'n00000001'", "--to", tmp_path / "out")

    assert answer.code == 5
    assert f"{key}: its bytes in {row.bundle} are not those catalogued" in answer.err
    rest = {k: v for k, v in PICTURES.items() if "/n00000001/" in k and k != key}
    assert delivered(tmp_path / "out") == rest


def test_a_bundle_that_is_gone_costs_its_own_images_only(
    store: Any, get: Any, tmp_path: Path
) -> None:
    made = store()
    gone = made.rows[0].bundle
    (made.root / "bundles" / gone).unlink()

    answer = get("--where", "bytes > 0", "--to", tmp_path / "out")

    lost = [row for row in made.rows if row.bundle == gone]
    assert answer.code == 5
    assert f"{len(lost)} not delivered" in answer.err
    assert len(delivered(tmp_path / "out")) == len(PICTURES) - len(lost)


def test_few_bytes_more_than_the_images_are_read(store: Any, get: Any, tmp_path: Path) -> None:
    store()
    keys = RANDOM.sample(sorted(PICTURES), 25)

    some = get(*keys, "--to", tmp_path / "some").json()
    every = get("--where", "true", "--to", tmp_path / "all").json()

    assert some["bytes"] == sum(len(PICTURES[key]) for key in keys)
    assert some["bytes"] <= some["bytes_read"] < 1.02 * some["bytes"]
    assert every["bytes_read"] < 1.02 * every["bytes"]
    assert every["requests"] < len(PICTURES) / 10  # neighbours are read at once


def test_hostile_names_stay_in_their_class_folder_and_apart(
    store: Any, get: Any, tmp_path: Path
) -> None:
    pictures = {f"train/n01/{name}": name.encode() for name in HOSTILE}
    store(pictures)

    answer = get("--where", "true", "--to", tmp_path / "out")

    assert answer.code == 0, answer.err
    folder = tmp_path / "out" / "train" / "n01"
    found = sorted(path.read_bytes() for path in folder.iterdir())
    assert found == sorted(pictures.values())
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["images.tsv", "train"]


def test_no_part_of_a_path_is_more_than_a_plain_name() -> None:
    paths = [path_of(f"train/{name}/{file}") for name in ("n01", "..", ".") for file in HOSTILE]

    assert len(set(paths)) == len(paths)
    for path in paths:
        parts = path.split("/")
        assert len(parts) == 3
        assert all(part and part[0] != "." and len(part.encode()) <= 255 for part in parts)


def test_nothing_that_is_there_is_overwritten(store: Any, get: Any, tmp_path: Path) -> None:
    made = store()
    one, other = "train/n00000001/n00000001_1.JPEG", "train/n00000001/n00000001_8.JPEG"
    folder = tmp_path / "out" / "train" / "n00000001"
    folder.mkdir(parents=True)
    (folder / "n00000001_1.JPEG").write_bytes(b"mine")
    (folder / "n00000001_8.JPEG").write_bytes(PICTURES[other])

    answer = get(one, other, "--to", tmp_path / "out").json()

    beside = f"n00000001_1~{made.row(one).sha256[:8]}.JPEG"
    assert (answer["renamed"], answer["already_there"]) == (1, 1)
    assert (folder / "n00000001_1.JPEG").read_bytes() == b"mine"
    assert (folder / beside).read_bytes() == PICTURES[one]
    assert len(delivered(tmp_path / "out")) == 3


@pytest.mark.parametrize("name", ["out", "out.tar", "out.seq"])
def test_a_second_get_to_the_same_place_is_refused(
    store: Any, get: Any, tmp_path: Path, name: str
) -> None:
    store()
    assert get("n00000001_1", "--to", tmp_path / name).code == 0
    before = delivered(tmp_path)

    answer = get("n00000001_8", "--to", tmp_path / name)

    assert answer.code == 2
    assert "is there already" in answer.err
    assert delivered(tmp_path) == before


def test_a_tar_has_the_names_and_bytes_of_a_directory(store: Any, get: Any, tmp_path: Path) -> None:
    store()
    for name in ("a.tar", "b.tar", "folder"):
        assert get("--where", "split = 'val'", "--to", tmp_path / name).code == 0

    with tarfile.open(tmp_path / "a.tar") as tar:
        members = {m.name: tar.extractfile(m).read() for m in tar}  # type: ignore[union-attr]
    assert members == delivered(tmp_path / "folder")
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()
    assert rows_in(tmp_path / "a.images.tsv") == rows_in(tmp_path / "folder" / "images.tsv")


def test_a_bundle_is_one_that_its_rows_lead_into(store: Any, get: Any, tmp_path: Path) -> None:
    store()

    answer = get("--where", "split = 'val'", "--to", tmp_path / "new" / "val.seq")

    assert answer.code == 0, answer.err
    with open_reader(tmp_path / "new" / "val.seq") as reader:
        for row in rows_in(tmp_path / "new" / "val.images.tsv"):
            record = reader.read_at(int(row["offset"]))
            assert (record.key, record.length) == (row["key"].encode(), int(row["length"]))
            assert record.value == PICTURES[row["key"]]
            assert row["bundle"] == "val.seq"


def test_nothing_is_left_of_a_get_that_fails(store: Any, get: Any, tmp_path: Path) -> None:
    store()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "train").write_text("in the way")

    answer = get("--where", "true", "--to", tmp_path / "out")

    assert answer.code == 2
    assert "is in the way" in answer.err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["train"]


@pytest.mark.parametrize("args", [(), ("n01_1", "--where", "true")])
def test_either_ids_or_a_condition_have_to_be_given(
    store: Any, get: Any, tmp_path: Path, args: tuple[str, ...]
) -> None:
    store()

    answer = get(*args, "--to", tmp_path / "out")

    assert answer.code == 2
    assert "give image ids, or --where" in answer.err
    assert not (tmp_path / "out").exists()


def test_a_condition_that_is_none_is_said_before_anything_is_written(
    store: Any, get: Any, tmp_path: Path
) -> None:
    store()

    answer = get("--where", "colour = 'red'", "--to", tmp_path / "out")

    assert answer.code == 2
    assert "colour" in answer.err
    assert not (tmp_path / "out").exists()

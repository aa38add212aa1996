"""Landing files of Flume's: every image where it is, under a name that was checked."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from mr_jobs.lib.errors import DataError
from mr_jobs.lib.rawtar import MAX_IMAGE_BYTES
from pipeline.layouts import avro, landed_members
from pipeline.layouts.landing import landing_sources
from tests.pipeline import landing_factory as make

IMAGES = [("n01/a.JPEG", b"\xff\xd8a"), ("n01/b.JPEG", b""), ("n02/a.JPEG", b"\xff\xd8" * 900)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with one landing file, and one that is still written to."""
    (tmp_path / "images.1.avro").write_bytes(make.landing_file(*IMAGES))
    (tmp_path / ".images.2.avro.tmp").write_bytes(make.head())
    return tmp_path


def members(path: Path, data: bytes) -> list[tuple[str, str, str | None]]:
    path.write_bytes(data)
    source = landing_sources(path.parent)[0]
    return [(member.name, label, member.refused) for member, label in landed_members(source)]


def test_every_image_is_found_with_its_name_class_and_bytes(folder: Path) -> None:
    (source,) = landing_sources(folder)
    raw = (folder / "images.1.avro").read_bytes()

    found = [
        (f"{label}/{m.name}", raw[m.data_offset : m.data_offset + m.size])
        for m, label in landed_members(source)
    ]

    assert found == IMAGES
    assert source.name == "train/images.1.tar"


def test_folder_of_other_avro_files_is_no_landing_folder(tmp_path: Path) -> None:
    other = {"type": "record", "name": "Row", "fields": [{"name": "a", "type": "int"}]}
    (tmp_path / "rows.avro").write_bytes(make.head(other))

    assert landing_sources(tmp_path) == []


@pytest.mark.parametrize(
    "path",
    ["a.JPEG", "/a.JPEG", "n01/..", "n01/", ".git/a.JPEG", "n\n01/a.JPEG", "", "n\udcff/a.JPEG"],
)
def test_place_that_names_no_class_and_image_is_refused(tmp_path: Path, path: str) -> None:
    data = make.head() + make.block([make.event(path, b"x")])

    ((_, _, refused),) = members(tmp_path / "images.1.avro", data)

    assert refused == "unsafe_name"


def test_name_that_differs_from_its_path_is_refused(tmp_path: Path) -> None:
    data = make.head() + make.block([make.event("/s/n01/a.JPEG", b"x", "../../b.JPEG")])

    assert members(tmp_path / "images.1.avro", data) == [("../../b.JPEG", "", "unsafe_name")]


def test_folder_unlabelled_is_no_class(tmp_path: Path) -> None:
    data = make.landing_file(("unlabelled/a.JPEG", b"x"))

    assert members(tmp_path / "images.1.avro", data) == [("a.JPEG", "", None)]


def test_pieces_of_a_file_that_is_too_large_are_all_refused(tmp_path: Path) -> None:
    whole = make.event("/s/n01/big.JPEG", bytes(MAX_IMAGE_BYTES + 1))
    rest, other = make.event("/s/n01/big.JPEG", b"rest"), make.event("/s/n01/c.JPEG", b"x")

    found = members(tmp_path / "images.1.avro", make.head() + make.block([whole, rest, other]))

    assert [refused for _, _, refused in found] == ["too_large", "too_large", None]


def test_file_of_a_killed_agent_ends_after_its_last_whole_block(tmp_path: Path) -> None:
    data = make.landing_file(*IMAGES)

    for end in range(len(data) - 1, len(data) - 800, -97):
        found = members(tmp_path / "images.1.recovered.avro", data[:end])
        assert [name for name, _, _ in found] == ["a.JPEG", "b.JPEG"]


def test_file_of_an_agent_killed_before_its_first_block_holds_no_image(tmp_path: Path) -> None:
    head = make.head()

    for end in (0, 2, 40, len(head) - 1, len(head)):
        assert members(tmp_path / "images.1.recovered.avro", head[:end]) == []


def test_any_other_file_that_is_cut_off_is_damaged(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="ends in the middle of a block"):
        members(tmp_path / "images.1.avro", make.landing_file(*IMAGES)[:-1])


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (make.head() + b"\x02\x02\x00" + bytes(16), "does not end with the file's marker"),
        (make.head() + make.number(-5), "a length of -5"),
        (make.head() + b"\xff" * 11, "more than ten bytes"),
        (make.head() + make.block([make.event("/n01/a", b"x") + b"z"]), "more than its events"),
        (make.head() + make.block([make.texts({}) + make.number(99)]), "longer than its block"),
        (make.head(codec="deflate"), "compressed"),
        (b"Obj\x01" + make.number(9999) + b"x", "map of over"),
        (b"Obj\x01" + make.texts({"avro.schema": b"[" * 9999}) + make.SYNC, "schema"),
    ],
)
def test_nonsense_is_one_sentence(data: bytes, what: str) -> None:
    with pytest.raises(DataError, match=what):
        list(avro.events(io.BytesIO(data), "x.avro"))


def test_every_single_changed_byte_is_read_or_refused_but_never_a_crash() -> None:
    data = make.landing_file(*IMAGES[:2])
    for at in range(len(data)):
        changed = data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :]
        try:
            list(avro.events(io.BytesIO(changed), "x.avro"))
        except DataError:
            continue

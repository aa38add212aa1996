"""Hostile tars on their way into a run: what is taken, what is refused, and what stops it."""

from __future__ import annotations

import tarfile
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from mr_jobs.lib.errors import DataError
from mr_jobs.lib.rawtar import Member
from pipeline.ingest import ingest
from pipeline.layouts import checked_members, find_raw_data
from pipeline.ledger import Ledger
from pipeline.progress import Progress
from pipeline.raw_members import facts_of
from pipeline.stores import LocalStore
from tests.pipeline import tar_factory
from tests.pipeline.tar_factory import HARMLESS_MEMBERS, HOSTILE_MEMBERS, regular, tar, train_tar

OTHER_CLASS = tar(regular("n02_1.JPEG"), regular("n02_2.JPEG"))
GOOD = tar(regular("n01_1.JPEG", b"1" * 1500), regular("n01_2.JPEG", b"2" * 1500))


def _ingest(tmp_path: Path, train: bytes) -> Ledger:
    data = tmp_path / "data"
    data.mkdir()
    (data / "ILSVRC2012_img_train.tar").write_bytes(train)
    found = find_raw_data(data)
    return ingest(
        found,
        LocalStore(tmp_path / "work"),
        1 << 20,
        Progress("test"),
        facts={source.name: facts_of(source) for source in found.sources},
        annotation_facts=None,
        allow_damaged=False,
    )


def _members(tmp_path: Path, packed: bytes, before: bytes = b"") -> list[Member]:
    path = tmp_path / "x.tar"
    path.write_bytes(before + packed)
    members = checked_members(path, len(before), len(packed), [], allow_damaged=False)
    return list(islice(members, 50))  # a reader that goes in circles must not hang the test


@pytest.mark.parametrize("name", HOSTILE_MEMBERS)
def test_a_hostile_member_is_refused_and_its_neighbours_are_taken(
    tmp_path: Path, name: str
) -> None:
    packed = tar(regular("before.JPEG"), HOSTILE_MEMBERS[name], regular("after.JPEG"))

    refused = [member.refused for member in _members(tmp_path, packed)]

    assert refused[0] is None
    assert refused[1] in {"unsafe_name", "link", "not_a_file", "sparse"}
    assert refused[2:] == [None]


@pytest.mark.parametrize("name", HARMLESS_MEMBERS)
def test_an_odd_but_harmless_member_is_taken(tmp_path: Path, name: str) -> None:
    members = _members(tmp_path, tar(HARMLESS_MEMBERS[name], regular("after.JPEG")))

    assert [member.refused for member in members] == [None, None]


def test_names_are_read_as_they_were_given(tmp_path: Path) -> None:
    long_name, utf8 = tar_factory.gnu_long_name(), regular(tar_factory.UTF8_NAME)
    members = _members(tmp_path, tar(long_name, utf8, tar_factory.pax({"path": "p.JPEG"})))

    assert [m.name for m in members] == [tar_factory.LONG_NAME, tar_factory.UTF8_NAME, "p.JPEG"]


@pytest.mark.parametrize(
    "damage",
    [
        tar_factory.cut_in_member(GOOD, "n01_2.JPEG"),
        tar_factory.cut_in_header(GOOD, "n01_2.JPEG"),
        tar_factory.cut_before_the_end(GOOD),
        tar_factory.with_damaged_header(GOOD, "n01_2.JPEG"),
        tar_factory.garbage(),
        b"",
    ],
    ids=["in a member", "in a header", "before the end", "header", "garbage", "zero bytes"],
)
@pytest.mark.parametrize("nested", [False, True])
def test_a_damaged_tar_stops_the_run_and_is_named(
    tmp_path: Path, damage: bytes, nested: bool
) -> None:
    train = train_tar({"n01": damage, "n02": OTHER_CLASS}) if nested else damage

    with pytest.raises(DataError, match=r"ILSVRC2012_img_train\.tar"):
        _ingest(tmp_path, train)


@pytest.mark.parametrize("cut", [tar_factory.cut_in_member, tar_factory.cut_in_header])
def test_an_outer_tar_cut_off_stops_the_run(tmp_path: Path, cut: Any) -> None:
    train = train_tar({"n01": GOOD, "n02": OTHER_CLASS})

    with pytest.raises(DataError, match="cut off"):
        _ingest(tmp_path, cut(train, "n02.tar"))


def test_an_empty_inner_tar_is_an_empty_class(tmp_path: Path) -> None:
    ledger = _ingest(tmp_path, train_tar({"n00": tar(), "n01": GOOD, "n02": OTHER_CLASS}))

    assert ledger.total("images") == 4
    assert ledger.counted("classes") == {"n01": 2, "n02": 2}


def test_a_class_twice_is_refused(tmp_path: Path) -> None:
    train = tar_factory.train_tar_with_a_class_twice("n01", GOOD, OTHER_CLASS)

    with pytest.raises(DataError, match=r"n01\.tar twice"):
        _ingest(tmp_path, train)


def test_the_counts_of_a_run_over_hostile_tars_add_up(cli: Any, tmp_path: Path, jpeg: Any) -> None:
    data = tmp_path / "data"
    data.mkdir()
    images = [regular(f"{i}.JPEG", jpeg(seed=i)) for i in range(16)]
    odd = [*HOSTILE_MEMBERS.values(), *HARMLESS_MEMBERS.values()]
    train = train_tar({"n01": tar(*images[:8], *odd), "n02": tar(*images[8:])})
    (data / "ILSVRC2012_img_train.tar").write_bytes(train)

    answer = cli("full", "--data", data, "--runner", "inline", "--json")

    assert answer.code == 0, answer.err
    counts = answer.json()["counts"]
    twice = {"same_name (not an image file)": 1}  # of the harmless ones
    assert counts["refused_members"].items() >= twice.items()
    assert sum(counts["refused_members"].values()) == len(HOSTILE_MEMBERS) + 1
    assert counts["images"] == 16 + len(HARMLESS_MEMBERS) - 1
    assert counts["quarantined"] == {"not_an_image": len(HARMLESS_MEMBERS) - 2, "empty": 1}
    assert not list(tmp_path.rglob("*evil*"))


@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE])
@pytest.mark.parametrize("claimed_bytes", [-512, -1024, -(1 << 40), 1 << 40, 1 << 62, 1 << 80])
def test_a_header_that_claims_an_impossible_size_is_damage(
    tmp_path: Path, kind: bytes, claimed_bytes: int
) -> None:
    evil = tar_factory.of_claimed_size("evil.JPEG", claimed_bytes, kind=kind)
    packed = tar(regular("n01_1.JPEG"), evil, regular("n01_2.JPEG"))
    nested = train_tar({"n01": packed, "n02": OTHER_CLASS})

    with pytest.raises(DataError, match="at byte"):
        _members(tmp_path, packed)
    with pytest.raises(DataError, match="at byte"):
        _members(tmp_path, packed, before=GOOD)
    with pytest.raises(DataError, match="at byte"):
        _ingest(tmp_path, nested)


@pytest.mark.parametrize(
    "records",
    [
        {"size": "-1024"},
        {"GNU.sparse.map": "a,b"},
        {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "9999999999"},
    ],
)
def test_a_pax_header_of_nonsense_is_damage(tmp_path: Path, records: dict[str, str]) -> None:
    with pytest.raises(DataError, match="at byte"):
        _members(tmp_path, tar(tar_factory.pax(records), regular("after.JPEG")))


@pytest.mark.parametrize("name", ["", "folder/", "a//"])
def test_a_name_without_a_last_part_is_refused(tmp_path: Path, name: str) -> None:
    packed = tar(regular("before.JPEG"), regular(name), regular("after.JPEG"))

    assert [bool(m.refused) for m in _members(tmp_path, packed)] == [False, True, False]


def test_a_train_tar_packed_from_inside_its_folder_is_recognised(tmp_path: Path) -> None:
    """`tar -cf train.tar .` begins with the folder itself."""
    inner = {"./n01.tar": GOOD, "./n02.tar": OTHER_CLASS}
    train = tar(tar_factory.directory("./"), *(regular(k, v) for k, v in inner.items()))

    assert _ingest(tmp_path, train).counted("classes") == {"n01": 2, "n02": 2}

"""Row keys, ranges and cells of a table in HBase."""

from __future__ import annotations

import hashlib
from collections import Counter
from itertools import chain

import pytest

from mr_jobs.lib import hbase_rows as h
from mr_jobs.lib.errors import DataError
from mr_jobs.lib.records import CatalogRow

ROW = CatalogRow(
    "a", "n01", "train", "train/n01/a.JPEG", "00000-1c.hbase", None, None, 3, "ab12", 5, 4, 3,
    "jpeg", None, None, "00ff", "kept", None,
)  # fmt: skip


@pytest.mark.parametrize(
    "key", ["train/n01440764/a.JPEG", "val/great white shark/ü'\"; drop.png", "test/n/a/b/../c"]
)
def test_a_row_key_is_a_hash_and_the_key_and_is_read_back(key: str) -> None:
    row = h.row_key(key)

    assert row == hashlib.sha256(key.encode()).hexdigest()[:2].encode() + b"/" + key.encode()
    assert h.image_key(row) == key


@pytest.mark.parametrize(
    "row",
    [
        b"",
        b"00",
        b"00/train/n01/a.JPEG",  # another salt
        b"../train/n01/a.JPEG",
        b"train/n01440764/a.JPEG",
        b"9c/nowhere/n01/a.JPEG",
        b"\xff\xfe/train/n01/a.JPEG",
        h.row_key("train/n01/a.JPEG") + b"\0",
    ],
)
def test_what_is_no_row_of_an_image_is_named(row: bytes) -> None:
    with pytest.raises(DataError, match="not the row of an image"):
        h.image_key(row)


def test_a_name_that_is_too_long_for_hbase_is_refused_in_a_short_sentence() -> None:
    with pytest.raises(DataError, match=r"32780 bytes .*store = \"bundles\"") as error:
        h.row_key("train/n01/" + "x" * 32_767)

    assert len(str(error.value)) < 300


def test_the_images_of_one_class_are_spread_over_all_salts() -> None:
    salts = Counter(h.salt_of(f"train/n01440764/n01440764_{n}.JPEG") for n in range(12_800))

    assert len(salts) == h.N_SALTS
    assert max(salts.values()) < 2 * min(salts.values()) + 50  # 50 on the average


@pytest.mark.parametrize("n_tasks", [1, 2, 3, 7, 256, 1000])
def test_every_salt_is_in_one_range_of_one_task(n_tasks: int) -> None:
    tasks = h.divide(range(h.N_SALTS), n_tasks, "00003")

    salts = [salt for ranges in tasks for r in ranges for salt in range(r.first, r.last + 1)]
    assert salts == list(range(h.N_SALTS))
    assert len(tasks) == min(n_tasks, h.N_SALTS)
    sizes = [sum(r.last - r.first + 1 for r in ranges) for ranges in tasks]
    assert max(sizes) - min(sizes) <= 1
    assert {r.batch for r in chain.from_iterable(tasks)} == {"00003"}


def test_only_wanted_salts_are_scanned_and_neighbours_together() -> None:
    assert h.divide([7, 5, 6, 200, 5], 1) == [
        [h.SaltRange(5, 7, None), h.SaltRange(200, 200, None)]
    ]


@pytest.mark.parametrize("key", [f"train/n01/{n}.JPEG" for n in range(50)])
def test_a_row_lies_in_the_range_of_its_salt_and_in_no_other(key: str) -> None:
    row = h.row_key(key)
    hits = []
    for salt in range(h.N_SALTS):
        found = h.SaltRange(salt, salt, None)
        if found.start <= row and (found.stop is None or row < found.stop):
            hits.append(salt)

    assert hits == [h.salt_of(key)]


def test_a_range_is_read_back_from_its_line() -> None:
    for salts in (h.SaltRange(0, 255, None), h.SaltRange(16, 31, "00012")):
        assert h.SaltRange.from_line(salts.to_line()) == salts


@pytest.mark.parametrize(
    "line",
    ["", "00", "00\tff", "0\tff\t\\N", "ff\t00\t\\N", "00\tff\tx'y", "00\tgg\t\\N", "00\tff\t"],
)
def test_a_line_that_is_no_range_is_refused(line: str) -> None:
    with pytest.raises(DataError, match="not a range of salts"):
        h.SaltRange.from_line(line)


def test_regions_are_split_where_salts_begin() -> None:
    assert h.split_keys(1) == []
    assert h.split_keys(16)[:3] == ["10", "20", "30"]
    assert len(h.split_keys(16)) == 15


def test_a_place_names_batch_and_salt() -> None:
    place = h.place_of("train/n01/a.JPEG", "00002")

    assert place == (f"00002-{h.salt_of('train/n01/a.JPEG'):02x}.hbase", None, None)
    assert h.salt_of_place(place.bundle) == h.salt_of("train/n01/a.JPEG")


@pytest.mark.parametrize(
    "name", ["00000-1.hbase", "00000-00.seq", "x-00.hbase", "00000-00.hbase\n"]
)
def test_what_is_no_place_is_refused(name: str) -> None:
    with pytest.raises(DataError, match="not the name of a place"):
        h.salt_of_place(name)


@pytest.mark.parametrize("text", ["", "host/table", "host:1", "h:1/a b", "h h:1/t", "h:1/t/u"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(DataError, match="not the address of a table"):
        h.Address.parse(text)


def test_an_address_is_read_back() -> None:
    address = h.Address("127.0.0.1", 26025, "imagenet_a.b-c_D")

    assert h.Address.parse(str(address)) == address


def test_metadata_are_the_columns_of_the_catalogue_without_the_place() -> None:
    cells = h.metadata_cells(ROW)

    assert {name.decode() for name in cells} == {
        f"metadata:{name}" for name in {*CatalogRow._fields} - {"key", "bundle", "offset", "length"}
    }
    assert cells[b"metadata:width"] == b"5"
    assert cells[b"metadata:reason"] == rb"\N"


def test_a_row_without_a_place_in_a_bundle_is_read_back_and_says_so() -> None:
    assert CatalogRow.from_line(ROW.to_line()) == ROW
    with pytest.raises(DataError, match=r"train/n01/a\.JPEG is in no bundle"):
        ROW.span()

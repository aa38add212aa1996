from __future__ import annotations

from typing import Any

import pytest

from mr_jobs.lib.duplicates import DuplicatePair, DuplicateSettings, GroupRow, Groups, batch_of
from mr_jobs.lib.errors import ConfigError, DataError
from mr_jobs.lib.records import place, shard_key

PAIR = DuplicatePair("train/n1/b c.jpg", "val/n1/a.jpg", "near", 3, 1, 0, True, False)
ROW = GroupRow("train/n1/b.jpg", "val/n1/a.jpg", "exact", 0, "train", "n1", "leak,label_conflict")


def test_pairs_and_rows_survive_being_text() -> None:
    assert DuplicatePair.from_line(PAIR.to_line() + "\n") == PAIR
    for row in (ROW, ROW._replace(problem=None)):
        assert GroupRow.from_line(row.to_line() + "\n") == row


@pytest.mark.parametrize("line", ["", "a\tb", PAIR.to_line() + "\t1"])
def test_what_is_neither_is_refused(line: str) -> None:
    for kind in (DuplicatePair, GroupRow):
        with pytest.raises(DataError, match="not a"):
            kind.from_line(line)


def test_a_row_has_each_of_its_problems() -> None:
    assert ROW.has("leak")
    assert ROW.has("label_conflict")
    assert not ROW._replace(problem=None).has("leak")


def test_a_file_that_is_no_bundle_of_a_batch_is_refused() -> None:
    with pytest.raises(DataError, match="part-00000"):
        batch_of("part-00000")


def test_duplicates_have_the_place_of_their_first_and_others_their_own() -> None:
    groups = Groups({"train/n1/b.jpg": "train/n1/a.jpg"})
    settings = (0, 0.5, 0.0, groups)

    a, b, c = (shard_key(f"train/n1/{name}.jpg", *settings).split("\t") for name in "abc")

    assert a[:2] == b[:2]
    assert c[1] == f"{int(place('train/n1/c.jpg', 0) * (1 << 56)):014x}"
    assert b[2].endswith("/n1/b.jpg")


def test_a_leaked_image_is_in_a_split_of_its_own_unless_leaks_are_kept() -> None:
    lines = [ROW.to_line()]

    moved = shard_key(ROW.key, 0, 0.0, 0.0, Groups.from_lines(lines, move_leaks=True))
    kept = shard_key(ROW.key, 0, 0.0, 0.0, Groups.from_lines(lines, move_leaks=False))

    assert moved.split("\t")[0] == "leaked"
    assert moved.split("\t")[2] == ROW.key
    assert kept.split("\t")[0] == "train"


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({"near": 1}, "near is true or false"),
        ({"max_distance": 11}, "max_distance is a whole number of bits from 0 to 10, not 11"),
        ({"max_distance": True}, "max_distance"),
        ({"leaks": "drop"}, "leaks is move or keep, not 'drop'"),
        ({"leeks": "move"}, "has no leeks; known: near, max_distance, leaks"),
    ],
)
def test_a_setting_that_does_not_fit_is_named(table: Any, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        DuplicateSettings.from_dict(table)

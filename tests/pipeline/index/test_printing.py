"""Rows are printed so that people and programs read the same values."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from pipeline.index.printing import Shown, csv_lines, json_lines, table_lines

COLUMNS = ["name", "n", "share"]
ROWS: list[tuple[Any, ...]] = [
    ("猫", 7, 12.5),
    ("a\tb\x1b[31m", 12345, None),
    (None, 3, Decimal("2.00")),
    ("", -1, 0.1),
]


def test_a_table_is_aligned_with_numbers_to_the_right_and_null_shown() -> None:
    assert list(table_lines(COLUMNS, ROWS)) == [
        "name              n  share",
        "------------  -----  -----",
        "猫                7   12.5",
        "a\\tb\\x1b[31m  12345   NULL",
        "NULL              3      2",
        "                 -1    0.1",
    ]


def test_csv_tells_null_from_an_empty_text_and_reads_back() -> None:
    rows = [*ROWS, ('a "b", c\nd', 0, 0.0)]
    text = "".join(f"{line}\n" for line in csv_lines(COLUMNS, rows))

    assert text.splitlines()[3:5] == [",3,2", '"",-1,0.1']
    assert list(csv.reader(io.StringIO(text)))[-1] == ['a "b", c\nd', "0", "0"]


def test_json_is_one_array_of_objects() -> None:
    text = "\n".join(json_lines(COLUMNS, ROWS))

    assert json.loads(text)[2] == {"name": None, "n": 3, "share": 2}
    assert [row["name"] for row in json.loads(text)] == [row[0] for row in ROWS]
    assert json.loads("\n".join(json_lines(COLUMNS, []))) == []


def test_rows_over_the_limit_are_counted_and_not_kept() -> None:
    read = 0

    def rows() -> Iterator[tuple[int]]:
        nonlocal read
        for read in range(1, 1001):
            yield (read,)

    shown = Shown(rows(), 3)

    assert list(shown.rows()) == [(1,), (2,), (3,)]
    assert read == 1000
    assert shown.summary() == "(3 of 1000 rows; 997 left out, --limit 0 shows all)"


def test_without_a_limit_nothing_is_left_out() -> None:
    shown = Shown(iter([(1,)]), None)

    assert list(shown.rows()) == [(1,)]
    assert shown.summary() == "(1 row)"

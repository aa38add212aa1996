"""Every row of docs/faults.md names a test that is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
ROWS = [
    line
    for line in (ROOT / "docs" / "faults.md").read_text("utf-8").splitlines()
    if line.startswith("| ") and not line.startswith(("| fault", "| ---"))
]


def test_there_are_rows_for_25_faults_and_more() -> None:
    assert len(ROWS) >= 25


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[1].strip())
def test_the_test_of_a_fault_is_there(row: str) -> None:
    named = TEST.findall(row.split("|")[-2])

    assert named, f"this row of docs/faults.md names no test: {row}"
    for file, name in named:
        assert f"\ndef {name}(" in (ROOT / file).read_text("utf-8"), f"{file} has no {name}"

"""The document of the benchmarks is written section by section."""

from __future__ import annotations

from pathlib import Path

from benchmarks import report


def test_a_section_is_added_and_later_replaced_in_its_place(tmp_path: Path) -> None:
    document = tmp_path / "docs" / "benchmarks.md"
    for title, body in (("A", "old"), ("B", "of b"), ("A", "new\n\n| a |"), ("A and more", "x")):
        report.write_section(document, title, body)

    text = document.read_text()
    assert text.startswith("# Benchmarks\n\n")
    assert text.endswith("## A\n\nnew\n\n| a |\n\n## B\n\nof b\n\n## A and more\n\nx\n")


def test_a_table_is_markdown() -> None:
    assert report.table(["a", "b"], [["x", "1"], ["y", "2"]]).splitlines() == [
        "| a | b |",
        "| --- | ---: |",
        "| x | 1 |",
        "| y | 2 |",
    ]


def test_the_machine_is_told() -> None:
    assert " cores of " in report.machine()
    assert "GiB, Python 3." in report.machine()

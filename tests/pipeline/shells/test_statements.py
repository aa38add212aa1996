"""Lines of HiveQL become statements where their semicolons are, and nowhere else."""

from __future__ import annotations

import pytest

from pipeline.shells.statements import Statements


def added(*lines: str) -> list[list[str]]:
    found = Statements()
    return [found.add(line) for line in lines]


def test_a_statement_ends_with_its_semicolon_and_not_with_its_line() -> None:
    assert added("SELECT *", "FROM images", ";") == [[], [], ["SELECT *\nFROM images"]]


def test_a_line_may_hold_several_and_the_beginning_of_the_next() -> None:
    found = Statements()

    assert found.add("USE a; SHOW TABLES; SELECT") == ["USE a", "SHOW TABLES"]
    assert found.rest == "SELECT"


@pytest.mark.parametrize(
    "text",
    ["SELECT ';'", 'SELECT ";"', "SELECT `a;b`", r"SELECT 'it\';s'", "SELECT ';\n;'"],
)
def test_a_semicolon_within_quotes_ends_nothing(text: str) -> None:
    found = Statements()
    done = [found.add(line) for line in f"{text};".split("\n")]

    assert done[-1] == [text]
    assert not any(done[:-1])


def test_comments_are_left_out_but_not_what_only_looks_like_one() -> None:
    assert added("SELECT '--' -- a comment; with a semicolon", ";")[-1] == ["SELECT '--'"]


def test_only_a_comment_is_nothing_to_wait_for() -> None:
    found = Statements()

    assert found.add("-- what follows;") == []
    assert found.rest == ""


def test_an_open_quote_is_known_for_the_prompt() -> None:
    found = Statements()
    found.add("SELECT 'a")

    assert found.open_quote == "'"
    assert found.add("b';") == ["SELECT 'a\nb'"]
    assert found.open_quote == ""


def test_empty_statements_are_none() -> None:
    assert added(";; ;") == [[]]


def test_what_is_pending_can_be_forgotten() -> None:
    found = Statements()
    found.add("DROP TABLE images")
    found.clear()

    assert found.add("SHOW TABLES;") == ["SHOW TABLES"]

"""The check of HBase tells one that stores and finds a row from one that does not."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ANSWER = "f:q timestamp=2026-01-01, value=seventeen\nrow column=f:q, value=seventeen\n"


@pytest.fixture
def check(library: Callable[[str], ModuleType]) -> Any:
    return library("hbase_check")


@pytest.fixture
def launcher(tmp_path: Path) -> Callable[[str, int], str]:
    """Make a program that keeps its standard input, and answers like HBase's shell."""

    def make(answer: str, code: int) -> str:
        (tmp_path / "answer").write_text(answer)
        program = tmp_path / "hbase"
        program.write_text(
            f"#!/bin/sh\ncat > {tmp_path}/asked\ncat {tmp_path}/answer\nexit {code}\n"
        )
        program.chmod(0o755)
        return str(program)

    return make


def test_row_that_the_shell_gets_and_scans_is_enough(
    check: Any, launcher: Callable[[str, int], str], tmp_path: Path
) -> None:
    check.ask_shell(launcher(ANSWER, 0), "mine")

    asked = (tmp_path / "asked").read_text()
    assert all(f"{word} 'mine'" in asked for word in ("create", "put", "get", "scan", "drop"))
    assert asked.index("ensure") < asked.index("drop 'mine'")


@pytest.mark.parametrize(
    ("answer", "code"),
    [(ANSWER, 1), ("", 0), ("value=seventeen\n", 0), ("value=eighteen\n" * 2, 0)],
)
def test_shell_that_fails_or_does_not_find_the_row_is_a_failure(
    check: Any, launcher: Callable[[str, int], str], answer: str, code: int
) -> None:
    with pytest.raises(check.Failure, match="finds a row"):
        check.ask_shell(launcher(answer, code), "mine")


def test_without_happybase_thrift_is_not_asked(check: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "happybase", None)

    assert check.ask_thrift("127.0.0.1", 1, "mine") is False


def test_thrift_server_that_is_away_is_named_by_its_address(check: Any) -> None:
    pytest.importorskip("happybase")
    with pytest.raises(check.Failure, match=r"Thrift server at 127\.0\.0\.1:1 does not work"):
        check.ask_thrift("127.0.0.1", 1, "mine")

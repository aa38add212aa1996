"""The comparison of formats runs where peers are missing, and tells who wrote what is not right."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.storage import __main__ as command
from benchmarks.storage.__main__ import Peer, peers, race, rows
from benchmarks.storage.worker import make_records


def test_the_command_writes_a_row_for_each_format(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "BENCH_ENV", tmp_path / "none")
    monkeypatch.setattr("shutil.which", lambda _: None)
    monkeypatch.setattr(
        sys, "argv", ["storage", "--records", "20", "--rounds", "2", "--write", str(tmp_path)]
    )

    command.main()

    printed = capsys.readouterr().out
    table = [line.split(" | ") for line in printed.splitlines() if line.startswith("| ")]
    assert [row[0].strip("| ") for row in table] == ["format", "---", *command.TITLES.values()]
    assert table[2][3] == table[2][6] == "1.00"
    assert table[3][-1] == "not installed: run bin/setup |"
    assert table[6][-1] == "not installed: run benchmarks/setup |"
    assert printed.strip() in (tmp_path / "benchmarks.md").read_text()


def test_a_format_that_gives_back_something_else_has_no_figures(tmp_path: Path) -> None:
    ours, _, tarfile = peers(tmp_path, 3)[:3]
    wanted = (3, sum(len(value) for _, value in make_records(3)))
    short = Peer("gnu-tar", ["sh", "-c", "while read -r verb; do echo 0.1 0.1 3 17; done"])
    dead = Peer("webdataset", ["false"])

    race([ours, tarfile, short, dead], 1, wanted)

    assert [len(peer.taken["read"]) for peer in (ours, tarfile, short, dead)] == [1, 1, 0, 0]
    assert short.fault == "17 bytes of 3 records"
    assert dead.fault is not None
    assert [row[1] for row in rows([ours, short, dead], 1.0)][1:] == ["-", "-"]

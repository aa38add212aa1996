from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from models.artifact import verify
from tests.pipeline.report.made_run import made_run


@pytest.fixture
def done(cli: Any, own_var: Path) -> Path:
    """A run `r1` that is saved, with its page."""
    run_dir = made_run(own_var / "saved" / "r1")
    cli("report", "r1")
    return run_dir


def test_report_prints_the_path_of_the_page(cli: Any, done: Path) -> None:
    before = (done / "report.html").stat().st_mtime_ns

    assert cli("report", "r1").out == f"{done / 'report.html'}\n"
    assert cli("report", done, "--json").json() == {
        "run_id": "r1", "page": str(done / "report.html"), "made": False,
    }  # fmt: skip
    assert (done / "report.html").stat().st_mtime_ns == before


@pytest.mark.parametrize("old", [None, "<p>made by older code"])
def test_a_page_that_is_missing_or_old_is_made_and_the_run_stays_whole(
    cli: Any, done: Path, old: str | None
) -> None:
    page = done / "report.html"
    fresh = page.read_bytes()
    if old is None:
        page.unlink()
    else:
        page.write_text(old)

    answer = cli("report", "r1", "--json")

    assert answer.json()["made"] is True
    assert page.read_bytes() == fresh
    verify(done)


def test_output_goes_elsewhere_and_leaves_the_run_alone(
    cli: Any, done: Path, tmp_path: Path
) -> None:
    (done / "report.html").unlink()

    answer = cli("report", "r1", "--output", tmp_path / "page.html")

    assert answer.out == f"{tmp_path / 'page.html'}\n"
    assert "<!DOCTYPE html>" in (tmp_path / "page.html").read_text("utf-8")
    assert not (done / "report.html").exists()


@pytest.mark.parametrize(
    ("args", "code", "sentence"),
    [
        (["report", "none"], 5, "none is not a saved run"),
        (["report", "../x"], 2, "not a run id"),
        (["compare", "r1", "r1"], 2, "these are one and the same run"),
        (["compare", "none"], 5, "none is not a saved run"),
        (["compare", "r1", "--html", "page.html"], 2, "--html is for two runs or more"),
        (["compare", "r1", "--again"], 2, "--again needs --trainers"),
        (["compare", "r1", "--trainers", "sklearn,none"], 2, "there is no trainer 'none'; known: "),
        (["compare", "r1", "r2", "--trainers", "sklearn"], 2, "--trainers and --again are for one"),
        (["compare", "r1", "--trainers", "sklearn"], 2, "r1 is not a run of this machine"),
        (["compare", "r1", "none"], 5, "none is not a saved run"),
    ],
)
def test_what_is_no_run_is_one_sentence(
    cli: Any, own_var: Path, args: list[str], code: int, sentence: str
) -> None:
    made_run(own_var / "saved" / "r1")

    answer = cli(*args)

    assert answer.code == code
    assert sentence in answer.err
    assert len(answer.err.splitlines()) == 1


def test_an_output_that_cannot_be_written_is_one_sentence(cli: Any, own_var: Path) -> None:
    made_run(own_var / "saved" / "r1")

    answer = cli("report", "r1", "--output", own_var / "no" / "page.html")

    assert answer.code == 2
    assert "page.html cannot be written (No such file or directory)" in answer.err


def test_compare_prints_a_table_and_what_the_test_says(
    cli: Any, own_var: Path, tmp_path: Path
) -> None:
    made_run(own_var / "saved" / "good", right=0.9)
    made_run(own_var / "saved" / "bad", right=0.2)

    answer = cli("compare", "good", own_var / "saved" / "bad", "--html", tmp_path / "page.html")

    table, told = answer.out.split("\n\n")
    assert table.splitlines()[0].split() == ["run", "good", "bad"]
    assert "seconds of train" in table
    assert told.startswith("good is better: only good is wrong on ")
    assert (tmp_path / "page.html").is_file()
    result = cli("compare", "good", "bad", "--json").json()
    assert [run["run_id"] for run in result["runs"]] == ["good", "bad"]
    assert result["differences"][0]["top1"]["p"] < 1e-6

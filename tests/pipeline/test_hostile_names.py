"""Names of files and classes are texts: no terminal, page, table, shell or job acts on one."""

from __future__ import annotations

import csv
import json
import os
import pty
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mr_jobs.lib.shown import shown, shown_lines
from pipeline.delivery import delivery_to
from pipeline.index.printing import json_lines, spreadsheet_lines
from pipeline.progress import Progress
from tests.pipeline.report.reading_pages import Page

CLASSES = [
    "=HYPERLINK(1)",
    "-x",
    "cl\x9b1m",
    "bi\u202edi",
    "ps\u2029ep",
    "<b onclick=x>",
    "{{7*7}}",
]
FILES = [
    *("=1+1", "-dash", "@x", "it's \"q\"", "<img src=x onerror=alert(1)>", "c1\x9b31mred\x85"),
    *("bidi\u202egpj", "sep\u2028line", "{{7*7}}", "'; DROP TABLE images; --", "$(touch x)"),
    *("esc\x1b[31m\nnl\ttab", "nl\nreporter:counter:images,bundled,1000\n", "ü" * 100, "%s%n"),
]  # fmt: skip
ACTED_ON = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


@pytest.fixture
def hostile(folder_data: Any) -> Path:
    """Three classes of ordinary names, and every hostile name that a file system takes."""
    data: Path = folder_data()
    noise = [path.read_bytes() for path in sorted((data / "n00000000").iterdir())]
    for number, name in enumerate(FILES):
        path = data / "n00000000" / f"{name}.JPEG"
        path.write_bytes(noise[number % len(noise)] + bytes([number]))
    with open(os.fsencode(data) + b"/n00000000/raw\xff\xfe.JPEG", "wb") as file:  # noqa: PTH123
        file.write(noise[0] + b"raw")
    for name in CLASSES:
        shutil.copytree(data / "n00000001", data / name)
        for path in (data / name).iterdir():
            path.write_bytes(path.read_bytes() + name.encode())
    for folder in (b"cl\xff", b"esc\x1b[2J", b"nl\nclass"):
        os.mkdir(os.fsencode(data) + b"/" + folder)  # noqa: PTH102
    (data / "empty\x9b31m").mkdir()
    (data / "n00000001" / "empty\x1b]0;t\x07.JPEG").touch()
    (data / "n00000001" / "bad\x9b31m.JPEG").write_bytes(b"x")
    (data / "n00000001" / "link\x9b.JPEG").symlink_to("/etc/passwd")
    os.mkfifo(data / "n00000001" / "pipe\x1b.JPEG")
    return data


def test_a_run_on_hostile_names_tells_people_nothing_that_a_terminal_acts_on(
    cli: Any, hostile: Path, tmp_path: Path
) -> None:
    data = ("--data", hostile, "--runner", "inline", "--images", "s", "--keep")
    done = cli("full", *data, "--run-id", "r1")
    assert done.code == 0, done.err
    run_dir = Path(done.out.split("run          ")[1].split("\n")[0])
    image = hostile / "n00000000" / "c1\x9b31mred\x85.JPEG"
    select = "SELECT key, wnid FROM images ORDER BY key"
    answers = [
        done,
        cli("quarantine", "list", "--images", "s"),
        cli("quarantine", "show", "bad\x9b31m", "--images", "s"),
        cli("quarantine", "show", "none\x9b\x1b[2J", "--images", "s"),
        cli("query", select, "--images", "s"),
        cli("query", select, "--format", "json", "--images", "s"),
        cli("query", "SELECT 1 AS `a\x9b31m` FROM images LIMIT 1", "--images", "s"),
        cli("query", "SELECT '\x1b[2J' FROM", "--images", "s"),
        cli("get", "none\x9b\x1b[2J", "--images", "s", "--to", tmp_path / "none"),
        cli("predict", run_dir, hostile / "n00000000"),
        cli("predict", "--tsv", run_dir, hostile / "n00000000"),
        cli("predict", "--json", run_dir, hostile / "n00000000"),
        cli("predict", run_dir, "--images", "s", "--runner", "inline"),
        cli("explain", run_dir, image),
        cli("explain", run_dir, image, "--class", "a\x9b\x1b[2J"),
        cli("explain", run_dir, hostile / "none\x1b[2J"),
        cli("verify", "--images", "s", "--runner", "inline"),
        cli("duplicates", "--images", "s"),
        cli("doctor", hostile),
        cli("compare", run_dir, run_dir),
        cli("predict", "run\x1b[2J", image),
    ]

    found = [ACTED_ON.findall(text) for each in answers for text in (each.out, each.err)]
    assert found == [[]] * len(found)
    assert all("Traceback" not in each.err for each in answers)
    counts = json.loads((run_dir / "metrics.json").read_text())["counts"]
    assert counts["images"] == 3 * 12 + len(FILES) + 1 + len(CLASSES) * 12 + 2
    assert counts["quarantined"] == {"empty": 1, "not_an_image": 1}
    assert counts["refused_members"] == {
        "link (not an image file)": 1,
        "not_a_file (not an image file)": 1,
    }
    page = Page((run_dir / "report.html").read_text())
    assert sum(tag == "script" for tag, _ in page.tags) == 1
    assert not [attrs for _, attrs in page.tags if any(name.startswith("on") for name in attrs)]
    for name in ("predictions.tsv", "synsets.tsv", "confusion.tsv", "report.html"):
        assert ACTED_ON.findall((run_dir / name).read_text()) == [], name


def test_every_hostile_name_can_be_asked_for_and_taken_out(
    cli: Any, hostile: Path, tmp_path: Path
) -> None:
    assert cli("ingest", hostile, "--runner", "inline", "--images", "s").code == 0
    answer = cli("query", "SELECT key, wnid FROM images", "--format", "json", "--images", "s")
    keys = [row["key"] for row in answer.json()]
    assert {row["wnid"] for row in answer.json()} >= set(CLASSES)

    told = cli("get", *keys, "--images", "s", "--to", tmp_path / "out", "--json")

    assert told.code == 0, told.err
    assert told.json()["images"] == len(keys)
    inside = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert len(inside) == len(keys) + 1
    assert not [path for path in inside if re.search("[\x00-\x1f\x7f-\x9f]", str(path))]


def test_a_table_for_a_spreadsheet_holds_no_formula(cli: Any, hostile: Path) -> None:
    assert cli("ingest", hostile, "--runner", "inline", "--images", "s").code == 0
    select = "SELECT image_id, wnid, 0 - width AS n FROM images"

    sheet = cli("query", select, "--format", "spreadsheet", "--images", "s")
    plain = cli("query", select, "--format", "csv", "--images", "s")

    rows = list(csv.reader(sheet.out.splitlines(keepends=True)))
    texts = [text for row in rows for text in row[:2]]
    assert {"'=1+1", "'-dash", "'@x", "'=HYPERLINK(1)", "'-x"} <= set(texts)
    assert not [text for text in texts if text[:1] in "=+-@\t\r\n"]
    assert {row[2] for row in rows[1:]} >= {"-50"}  # numbers stay numbers
    assert "=1+1," in plain.out  # csv is for programs, and as it is
    listed = cli("quarantine", "list", "--format", "spreadsheet", "--images", "s")
    assert listed.out.startswith('"what","reason"')


def test_what_a_spreadsheet_takes_for_a_formula_is_told_to_be_text() -> None:
    texts = ["=1", "+1", "-1", "@a", "\t=1", "\r=1", "\n=1", "\uff1d1", 'a"=1', "a;=1", "'=1", ""]

    lines = "\n".join(spreadsheet_lines(["=x"], [[text, -1, None] for text in texts]))

    read = [row[0] for row in csv.reader(lines.split("\n")[:1])]
    assert read == ["'=x"]
    assert '"\'=1",-1,' in lines
    assert '"a;=1"' in lines
    assert '"a""=1"' in lines


def test_json_for_programs_has_escapes_of_its_own() -> None:
    (line, _) = json_lines(["x"], [["a\x9b\u202eü"]])

    assert line == '[{"x": "a\\u009b\\u202e\\u00fc"}'


def test_csv_on_a_terminal_is_escaped_and_in_a_pipe_is_as_it_is(tmp_path: Path) -> None:
    program = (
        "import sys; from argparse import Namespace; from pipeline.__main__ import _own_stdout, "
        "_print\nargs = Namespace(command='query', json=False, format='csv')\n"
        "with _own_stdout() as out: _print(args, {'lines': iter(['a\\x9b31m,\\x1b[2J'])}, out)"
    )
    ours, theirs = pty.openpty()
    subprocess.run([sys.executable, "-c", program], stdout=theirs, check=True)
    os.close(theirs)
    on_terminal = os.read(ours, 1000).decode()
    os.close(ours)
    piped = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)

    assert on_terminal.strip() == "a\\x9b31m,\\x1b[2J"
    assert piped.stdout.decode() == "a\x9b31m,\x1b[2J\n"


def test_progress_escapes_names(capsys: pytest.CaptureFixture[str]) -> None:
    Progress("step").note("a\x1b[2J\x9b\udcff")

    assert capsys.readouterr().err == "step: a\\x1b[2J\\x9b\\udcff\n"


def test_escapes_keep_what_can_be_read() -> None:
    assert shown("über 猫 🐈") == "über 猫 🐈"
    assert shown("a\nb") == r"a\nb"
    assert shown_lines("a\n\tb\r") == "a\n\tb\\r"


@pytest.mark.parametrize("name", ["out.tar", "out.seq", "out"])
def test_a_link_where_a_file_is_being_made_is_not_followed(tmp_path: Path, name: str) -> None:
    mine = tmp_path / "mine"
    mine.write_text("mine")
    target = tmp_path / name
    if name == "out":
        target.mkdir()
        (target / ".images.tsv.part").symlink_to(mine)
    else:
        (tmp_path / f".{name}.part").symlink_to(mine)
        (tmp_path / ".out.images.tsv.part").symlink_to(mine)

    with delivery_to(target):
        pass

    assert mine.read_text() == "mine"

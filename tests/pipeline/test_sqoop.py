"""Sqoop is called with a password that nobody sees, and its words become counts or one sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from mr_jobs.lib.errors import ConfigError, JobError
from pipeline import sqoop_command
from pipeline.arguments import build_parser
from pipeline.cluster import Cluster
from pipeline.index.definitions import imported, tables
from pipeline.progress import Progress
from pipeline.sqoop import Database, Sqoop, parse_rows
from tests.pipeline.test_cluster_components import write_mark

PASSWORD = "with space, $HOME and 'quotes'"  # noqa: S105
EVAL = "26/01/01 INFO x: y\n-----\n| count | count | \n-----\n| 5     | 0     | \n-----\n"
IMPORTED = "26/01/01 INFO mapreduce.ImportJobBase: Retrieved 7 records.\n"

Call = Callable[[Sqoop], Any]


@pytest.fixture
def password_file(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.touch(mode=0o600)
    path.write_text(f"{PASSWORD}\n")
    return path


@pytest.fixture
def sqoop(tmp_path: Path, password_file: Path) -> Callable[..., list[dict[str, Any]]]:
    """Call Sqoop with a program in its place that notes how it was called."""

    def run(call: Call, says: str = "", code: int = 0) -> list[dict[str, Any]]:
        calls, program = tmp_path / "calls", tmp_path / "sqoop"
        program.write_text(
            f"""#!/usr/bin/env python3
import json, pathlib, sys
args = sys.argv[1:]
file = pathlib.Path(args[args.index("--password-file") + 1].removeprefix("file://"))
told = {{"args": args, "password": file.read_text(), "mode": oct(file.stat().st_mode)[-3:]}}
with open({str(calls)!r}, "a") as out:
    print(json.dumps({{**told, "path": str(file)}}), file=out)
print({says!r}, end="")
sys.exit({code})
"""
        )
        program.chmod(0o755)
        write_mark(tmp_path / "one", sqoop_bin=str(program))
        cluster = Cluster.load(tmp_path / "one")
        database = Database("127.0.0.1", 5432, "photos", "reader", password_file)
        with Progress("sqoop") as progress, Sqoop(cluster, database, progress) as client:
            call(client)
        return [json.loads(line) for line in calls.read_text().splitlines()]

    return run


def test_counts_are_read_from_what_eval_prints(sqoop: Any) -> None:
    found: list[int] = []

    (call,) = sqoop(lambda client: found.extend(client.count("SELECT 1", "SELECT 2")), EVAL)

    assert found == [5, 0]
    assert call["args"][-2:] == ["--query", "SELECT (SELECT 1), (SELECT 2)"]


def test_password_is_in_a_private_file_and_nowhere_else(sqoop: Any) -> None:
    (call,) = sqoop(lambda client: client.count("SELECT 1"), EVAL)

    assert call["password"] == PASSWORD  # Sqoop takes a line end for a part of it
    assert call["mode"] == "600"
    assert PASSWORD not in " ".join(call["args"])
    assert not Path(call["path"]).exists()


def test_import_copies_columns_in_one_select(sqoop: Any) -> None:
    found = []

    (call,) = sqoop(
        lambda client: found.append(client.import_table("t", ["a", "b"], "/target")), IMPORTED
    )

    args = call["args"]
    given = dict(pairwise(args))
    assert found == [7]
    assert (given["--table"], given["--columns"], given["--num-mappers"]) == ("t", "a,b", "1")
    assert args[-3:] == ["--", "--schema", "public"]


def test_statements_go_in_one_transaction(sqoop: Any) -> None:
    (call,) = sqoop(lambda client: client.execute("DELETE FROM a", "DELETE FROM b"))

    assert call["args"][-1] == "DELETE FROM a; DELETE FROM b"


@pytest.mark.parametrize(
    ("says", "code", "error", "sentence"),
    [
        (
            "E: org.postgresql.util.PSQLException: FATAL: no such user\n",
            1,
            ConfigError,
            "the database photos at 127.0.0.1:5432 refused: FATAL: no such user",
        ),
        ("26/01/01 ERROR tool.EvalSqlTool: it broke\n", 1, JobError, "failed: it broke"),
        ("", 1, JobError, "it left no reason"),
        ("nothing of a count", 0, JobError, "did not say how many rows"),
    ],
)
def test_failure_is_one_sentence(
    sqoop: Any, says: str, code: int, error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error, match=sentence):
        sqoop(lambda client: client.import_table("t", ["a"], "/target"), says, code)


def test_cluster_without_sqoop_says_what_to_do(tmp_path: Path) -> None:
    write_mark(tmp_path / "one")
    database = Database("127.0.0.1", 5432, "photos", "reader")

    with pytest.raises(ConfigError, match="up --name one --with sqoop"):
        Sqoop(Cluster.load(tmp_path / "one"), database, Progress("sqoop"))


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o777])
def test_password_file_that_others_may_read_is_refused(password_file: Path, mode: int) -> None:
    password_file.chmod(mode)

    with pytest.raises(ConfigError, match="chmod 600"):
        Database("127.0.0.1", 5432, "photos", "reader", password_file)


@pytest.mark.parametrize(
    "changes",
    [
        {"host": "a/b"},
        {"host": "a?ssl=false"},
        {"name": "x; DROP TABLE y"},
        {"user": ""},
        {"schema": 'a"b'},
    ],
)
def test_name_that_could_be_more_than_a_name_is_refused(changes: dict[str, str]) -> None:
    given: dict[str, Any] = {"host": "h", "port": 1, "name": "d", "user": "u", **changes}

    with pytest.raises(ConfigError):
        Database(**given)


def test_rows_of_a_table_without_rows_are_its_heading() -> None:
    assert parse_rows("---\n| a | b | \n---\n---\n") == [["a", "b"]]


def test_tables_of_the_command_are_those_that_are_defined() -> None:
    assert set(sqoop_command.TABLES) == set(imported())
    assert all(table.directory == name for name, table in imported().items())


def test_exported_columns_are_those_of_the_index_with_the_run() -> None:
    (predictions,) = (table for table in tables() if table.name == "predictions")

    assert sorted(sqoop_command.COLUMNS) == sorted(column.name for column in predictions.columns)
    assert ("run_id", *predictions.file_columns) == sqoop_command.COLUMNS


@pytest.mark.parametrize(
    ("given", "sentence"),
    [("images", "not one of labels, synsets, boxes"), ("labels=a;b", "not a plain name")],
)
def test_table_that_is_none_is_refused(given: str, sentence: str) -> None:
    args = build_parser().parse_args(
        ["sqoop", "import", "--table", given, "--database", "d", "--user", "u"]
    )

    with pytest.raises(ConfigError, match=sentence):
        sqoop_command.run(args)

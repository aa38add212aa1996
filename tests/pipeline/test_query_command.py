"""`bin/pipeline query` answers from the index, lists the named queries, and refuses to write."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import images as image_stores
from pipeline.stores import LocalStore
from tests.pipeline.conftest import Answer
from tests.pipeline.index.small_tables import small_tables, write_tables

Query = Callable[..., Answer]


@pytest.fixture
def query(
    cli: Callable[..., Answer], own_var: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Answer]:
    """Ask an image store with the small tables."""
    monkeypatch.setattr(image_stores, "LOCAL", own_var / "images")
    monkeypatch.setattr(image_stores, "VAR", own_var)
    write_tables(small_tables(), LocalStore(own_var / "images" / "small"))
    return lambda *args: cli("query", *args, "--runner", "local")


def test_a_query_prints_a_table_and_its_number_of_rows(query: Query) -> None:
    answer = query("SELECT wnid, COUNT(*) AS n FROM images GROUP BY wnid ORDER BY wnid LIMIT 2")

    assert answer.code == 0
    assert answer.out == ("wnid       n\n---------  -\nn01440764  7\nn02102040  7\n(2 rows)\n")


def test_rows_beyond_the_limit_are_told(query: Query) -> None:
    sql = "SELECT key FROM images ORDER BY key"

    table, csv = query(sql, "--limit", "2"), query(sql, "--limit", "2", "--format", "csv")

    assert table.out.endswith("(2 of 23 rows; 21 left out, --limit 0 shows all)\n")
    assert len(csv.out.splitlines()) == 3
    assert "21 left out" in csv.err
    assert len(query(sql, "--format", "csv").out.splitlines()) == 24


def test_json_is_for_programs(query: Query) -> None:
    answer = query("SELECT COUNT(*) AS n, MAX(repairs) AS repairs FROM images", "--format", "json")

    assert json.loads(answer.out) == [{"n": 23, "repairs": "cmyk,exif"}]


def test_every_named_query_is_listed_and_answers(query: Query) -> None:
    listed = query("--list").out.splitlines()

    assert len(listed) == 10
    for line in listed:
        name, says = line.split(maxsplit=1)
        assert says
        answer = query(name)
        assert answer.code == 0, answer.err
        assert not answer.out.endswith("(0 rows)\n"), name


def test_a_query_is_read_from_a_file(query: Query, tmp_path: Path) -> None:
    file = tmp_path / "q.sql"
    file.write_text("-- all\nSELECT COUNT(*) AS n FROM boxes;\n")

    assert query("--file", file).out.startswith("n\n-\n3\n")


def test_tables_and_columns_describe_themselves(query: Query) -> None:
    assert "predictions" in query("SHOW TABLES").out
    assert "bigint     where the record begins in the bundle" in query("DESCRIBE images").out


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["DROP TABLE images"], "not DROP"),
        (["SELECT * FROM image"], "image"),
        (["no_such_query"], "there: boxes_per_image"),
        ([], "give HiveQL"),
        (["SELECT 1", "--file", "x"], "give HiveQL"),
        (["--file", "nowhere.sql"], "nowhere.sql cannot be read"),
        (["SELECT 1", "--limit", "-1"], "--limit"),
        (["SELECT 1", "--engine", "hive"], "has no Hive"),
        (["SELECT 1", "--images", "other"], "no image store other"),
    ],
)
def test_a_wrong_call_is_one_sentence(query: Query, args: list[str], told: str) -> None:
    answer = query(*args)

    assert answer.code == 2
    assert answer.out == ""
    assert told in answer.err.splitlines()[-1]

"""The index in DuckDB holds what the files hold, follows them, and lets nothing else be done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest

from mr_jobs.lib.errors import ConfigError, DataError, JobError
from pipeline.images import Images
from pipeline.index import load, open_index, select_rows
from pipeline.index.duckdb_engine import DuckDBEngine
from pipeline.index.hiveql import read_statement
from pipeline.progress import Progress
from tests.pipeline.index.small_tables import HOSTILE_NAME, RUN_ID, small_tables, write_tables

N_IMAGES = 3 * 6 + 2 + 3


def ask(images: Images, sql: str) -> list[tuple[Any, ...]]:
    with open_index(images) as index:
        return list(index.query(read_statement(sql)).rows)


def test_loading_counts_the_rows_of_every_table_and_runs_every_check(images: Images) -> None:
    loaded = load(images, None, Progress("index"))

    assert loaded["engine"] == "duckdb"
    assert loaded["tables"] == {
        "boxes": 3,
        "duplicates": 3,
        "images": N_IMAGES,
        "predictions": 18,
        "quarantine": 3 + 1,
        "refused": 1,
        "synsets": 3,
    }
    assert loaded["checks"] == 24
    assert loaded["warnings"] == []


def test_every_value_is_that_of_the_files(images: Images) -> None:
    rows = {row.key: row for row in select_rows(images, "TRUE")}

    assert {key: row._asdict() for key, row in rows.items()} == {
        row["key"]: row for row in small_tables()["images"]
    }
    assert ask(images, "SELECT DISTINCT run_id FROM predictions") == [(RUN_ID,)]
    assert ask(images, "SELECT member FROM refused") == [("'._x\\n'",)]


def test_selected_rows_come_by_bundle_and_offset(images: Images) -> None:
    where = f"wnid = '{small_tables()['synsets'][0]['wnid']}' AND width > 200 OR format IS NULL"

    rows = list(select_rows(images, where))

    assert len(rows) == 3 + 3
    assert rows == sorted(rows, key=lambda row: (row.bundle, row.offset))


def test_images_are_selected_by_their_boxes_too(images: Images) -> None:
    where = "image_id IN (SELECT b.image_id FROM boxes b WHERE b.xmin < 8 AND b.ymax < 80)"

    assert [row.image_id for row in select_rows(images, where)] == ["n02102040_4"]


def test_a_hostile_name_is_found_as_it_is(images: Images) -> None:
    escaped = HOSTILE_NAME.replace("\\", "\\\\").replace("'", "\\'")

    rows = list(select_rows(images, f"image_id = '{escaped}'"))

    assert [row.image_id for row in rows] == [HOSTILE_NAME]


def test_a_percent_sign_or_underscore_after_a_backslash_stands_for_itself(images: Images) -> None:
    like = "SELECT COUNT(*) FROM images WHERE image_id LIKE '{}'"

    assert ask(images, like.format("n0144____\\_%")) == [(6,)]
    assert ask(images, like.format("%\\%\\_%")) == [(1,)]


def test_changed_files_are_seen_without_loading_again(images: Images, tmp_path: Path) -> None:
    assert ask(images, "SELECT COUNT(*) FROM images") == [(N_IMAGES,)]
    rows = small_tables()
    rows["images"].pop()
    write_tables(rows, images.store)

    assert ask(images, "SELECT COUNT(*) FROM images") == [(N_IMAGES - 1,)]
    assert len(list(images.cache.glob("index-*"))) == 1  # the older one is gone


def test_an_index_is_not_made_anew_while_the_files_stay(images: Images) -> None:
    assert not DuckDBEngine(images).is_built()
    ask(images, "SELECT 1")

    assert DuckDBEngine(images).is_built()


def test_an_index_is_fresh_after_its_checks_only(images: Images) -> None:
    ask(images, "SELECT 1")
    assert not DuckDBEngine(images).is_fresh()

    load(images, None, Progress("index"))
    assert DuckDBEngine(images).is_fresh()

    images.store.write("refused/more.tsv", [b"a.tar\t\\N\tx\n"])
    for _ in range(2):
        with pytest.raises(JobError, match="refused_values"):
            load(images, None, Progress("index"))
        assert not DuckDBEngine(images).is_fresh()


def test_an_empty_image_store_has_all_tables_without_rows(images: Images) -> None:
    for folder in ("catalog", "boxes", "synsets", "refused", "duplicates", "predictions"):
        images.store.delete(folder)

    loaded = load(images, "duckdb", Progress("index"))

    assert set(loaded["tables"].values()) == {0}
    assert list(select_rows(images, "TRUE")) == []


@pytest.mark.parametrize("line", [b"too\tfew\n", b"x" * 50 + b"\n", b"\t" * 17 + b"wide\r\n"])
def test_a_file_that_does_not_fit_is_named(images: Images, line: bytes) -> None:
    images.store.write("catalog/part-2.tsv", [line])

    with pytest.raises(DataError, match=r"part-2\.tsv is not rows of the table images"):
        load(images, None, Progress("index"))
    assert not list(images.cache.glob("index-*.duckdb"))


def test_a_number_that_is_none_is_an_error_and_not_null(images: Images) -> None:
    rows = small_tables()
    rows["boxes"][1]["xmin"] = "ten"
    write_tables(rows, images.store)

    with pytest.raises(DataError, match=r"table boxes.*ten"):
        load(images, None, Progress("index"))


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM `/etc/passwd`",
        "SELECT * FROM glob('/*')",
        "SELECT getenv('HOME')",
    ],
)
def test_a_query_reaches_nothing_outside_the_index(images: Images, sql: str) -> None:
    with pytest.raises(ConfigError, match="the query"):
        ask(images, sql)


@pytest.mark.parametrize(
    "sql",
    [
        "COPY images TO '/tmp/x'",
        "ATTACH '/tmp/x.db'",
        "SET threads = 9",
        "INSTALL httpfs",
        "DROP TABLE images",
        "UPDATE images SET wnid = 'x'",
    ],
)
def test_the_database_itself_refuses_what_is_no_query(images: Images, sql: str) -> None:
    with open_index(images) as index:
        assert isinstance(index, DuckDBEngine)
        list(index.query(read_statement("SELECT 1")).rows)
        assert index._connection is not None
        with pytest.raises(duckdb.Error):
            index._connection.execute(sql)


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("SELECT widht FROM images", "widht"),
        ("SELECT * FROM image", "image"),
        ("SELECT no_such_function(key) FROM images", "no_such_function"),
        ("SELECT SUM(key) FROM images", "sum"),
        ("DESCRIBE image", "no table image; there: boxes"),
    ],
)
def test_a_query_that_does_not_fit_is_one_sentence(images: Images, sql: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told) as error:
        ask(images, sql)
    assert "\n" not in str(error.value)


def test_a_condition_that_does_not_fit_is_refused_before_the_first_row(images: Images) -> None:
    with pytest.raises(ConfigError, match="widht"):
        select_rows(images, "widht > 3")


def test_division_null_order_and_names_are_those_of_hive(images: Images) -> None:
    select = "SELECT 1 / 0, 7 / 2, CONCAT('a', NULL), width AS W FROM images ORDER BY W"
    with open_index(images) as index:
        down = index.query(read_statement(f"{select} DESC"))
        up = index.query(read_statement(select))

        assert down.columns == ["_c0", "_c1", "_c2", "w"]
        assert next(down.rows) == (None, 3.5, None, None)
        assert list(up.rows)[-1] == (None, 3.5, None, None)


def test_hive_is_not_there_on_this_machine(images: Images) -> None:
    with pytest.raises(ConfigError, match=r"has no Hive.*--with hive"):
        open_index(images, "hive")

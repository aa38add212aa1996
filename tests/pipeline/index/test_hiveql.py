"""Queries only read, and mean on DuckDB what they mean on Hive."""

from __future__ import annotations

import pytest

from mr_jobs.lib.errors import ConfigError
from pipeline.index.hiveql import read_condition, read_statement, to_duckdb


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1",
        "select key, offset, length from images;",
        "-- what is there\nWITH a AS (SELECT 1 AS n) SELECT n FROM a -- all\n",
        "SELECT 1 UNION ALL SELECT 2",
        "FROM images SELECT COUNT(*)",
        "SHOW TABLES;",
        "describe IMAGES",
    ],
)
def test_one_statement_that_reads_is_taken(sql: str) -> None:
    assert read_statement(sql).sql


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("", "not nothing"),
        ("-- nothing", "not nothing"),
        ("DROP TABLE images", "not DROP"),
        ("INSERT INTO images SELECT * FROM images", "not INSERT"),
        ("WITH a AS (SELECT 1) INSERT INTO TABLE t SELECT * FROM a", "not INSERT"),
        ("FROM images INSERT OVERWRITE TABLE t SELECT *", "not MULTITABLEINSERTS"),
        ("SELECT * INTO t FROM images", "not INTO"),
        ("SET hive.exec.parallel=true", "not SET"),
        ("ADD JAR evil.jar", "not ADD"),
        ("dfs -rm -r /", "not DFS"),
        ("EXPLAIN SELECT 1", "not EXPLAIN"),
        ("SELECT 1; SELECT 2", "2 statements"),
        ("SELECT 1; DROP TABLE images", "2 statements"),
        ("SELECT FROM", "not HiveQL"),
        ("SELECT 'open", "not HiveQL"),
        ("SELECT TRANSFORM (key) USING 'rm -rf x' AS (a) FROM images", "TRANSFORM"),
        ("SELECT reflect('java.lang.System', 'exit', 1)", "calls reflect"),
        ("SELECT * FROM (SELECT JAVA_METHOD('a', 'b') FROM images) x", "calls java_method"),
    ],
)
def test_anything_else_is_refused_in_one_sentence(sql: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told) as error:
        read_statement(sql)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SELECT 1",
        "wnid = 'a') OR (TRUE",
        "TRUE ORDER BY key",
        "TRUE; DROP TABLE images",
        "TRUE UNION SELECT 1",
        "reflect('a', 'b') = 'c'",
    ],
)
def test_a_condition_is_one_expression_and_no_more(text: str) -> None:
    with pytest.raises(ConfigError):
        read_condition(text)


def test_a_comment_at_the_end_of_a_condition_hides_nothing_of_the_query() -> None:
    assert read_condition("width > 3 -- wide").sql.endswith("ORDER BY bundle, offset, key")


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("SELECT hash(key) FROM images", "hash"),
        ("SELECT GREATEST(width, height) FROM images", "greatest"),
        ("SELECT percentile(width, 0.5) FROM images", "quantile"),
        ("SELECT * FROM images TABLESAMPLE (BUCKET 1 OUT OF 9 ON key)", "TABLESAMPLE"),
        (
            "SELECT r FROM images LATERAL VIEW OUTER EXPLODE(SPLIT(repairs, ',')) x AS r",
            "LATERAL VIEW OUTER",
        ),
    ],
)
def test_what_duckdb_means_otherwise_is_not_translated(sql: str, told: str) -> None:
    statement = read_statement(sql)  # Hive would take it
    assert statement.tree is not None

    with pytest.raises(ConfigError, match=rf"{told}.*--engine hive"):
        to_duckdb(statement.tree)

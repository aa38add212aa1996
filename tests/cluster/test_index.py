"""Hive and DuckDB hold the same index and answer the same."""

from __future__ import annotations

import dataclasses
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mr_jobs.lib.errors import ConfigError, JobError
from pipeline.cluster import Cluster
from pipeline.images import Images, images_at
from pipeline.index import load, open_index, select_rows
from pipeline.index.definitions import named, tables
from pipeline.index.engine import files_of, plain
from pipeline.index.hiveql import read_statement
from pipeline.index.printing import Shown, table_lines
from pipeline.index_step import errors_of
from pipeline.progress import Progress
from tests.cluster.conftest import deployed
from tests.cluster.pipelines import forgotten, run
from tests.pipeline.index.small_tables import HOSTILE_NAME, small_tables, write_tables

pytestmark = pytest.mark.cluster

NAME = "test-index"
RUN_ID = "20261123T000000Z-abcdef"
BY_THE_MODEL = {"confusions", "synset_errors"}  # whose last digits another machine may change
WHERE = "split = 'val' AND image_id IN (SELECT b.image_id FROM boxes b WHERE b.xmax > 20)"


@pytest.fixture(scope="module")
def hive(_own_places: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Deploy a cluster with Hive, and destroy it in any case."""
    with deployed(tmp_path_factory.mktemp("index") / NAME, components=["hive"]) as up:
        yield up.cluster


@pytest.fixture(scope="module")
def small(hive: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Images:
    """Put the small tables into HDFS."""
    images = dataclasses.replace(
        images_at("Small.Store-1", hive), cache=tmp_path_factory.mktemp("cache")
    )
    write_tables(small_tables(), images.store)
    return images


@pytest.fixture(scope="module")
def photographs(
    hive: Cluster, shared_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Images]:
    """Put the tables of a whole run on photographs into HDFS; the run itself is inline."""
    name = "test-index"
    local = images_at(name, None)
    data = shared_dir / "data" / "imagenette10"
    config = tmp_path_factory.mktemp("config") / "small.toml"
    config.write_text('[features]\nfeatures = ["lab_pixels"]\n[model]\nshrinkage = 0.5\n')
    with forgotten(RUN_ID):
        try:
            run(
                "full", "--runner", "inline", "--data", data, "--images", name,
                "--run-id", RUN_ID, "--config", config, "--keep",
            )  # fmt: skip
            images = dataclasses.replace(
                images_at(name, hive), cache=tmp_path_factory.mktemp("cache")
            )
            for table in tables():
                for file in files_of(local.store, table):
                    with local.store.open(file.name) as source:
                        images.store.write(file.name, [source.read()])
            yield images
        finally:
            local.store.delete("")
            shutil.rmtree(local.cache, ignore_errors=True)


def answers(images: Images, engine: str) -> dict[str, tuple[list[str], list[tuple[Any, ...]]]]:
    """Return the columns and rows of every named query."""
    found = {}
    with open_index(images, engine) as index:
        for query in named("queries").values():
            result = index.query(read_statement(query.sql))
            found[query.name] = result.columns, [tuple(map(plain, row)) for row in result.rows]
    return found


def test_every_query_on_small_tables_is_equal_on_both_engines(small: Images) -> None:
    on_hive, on_duckdb = answers(small, "hive"), answers(small, "duckdb")

    assert len(on_hive) == 10
    assert all(rows for _, rows in on_hive.values())
    assert on_hive == on_duckdb


def test_errors_by_size_are_equal_on_both_engines(small: Images) -> None:
    on_hive = errors_of(small, RUN_ID, "hive")

    assert all(on_hive.values())
    assert on_hive == errors_of(small, RUN_ID, "duckdb")


def test_both_engines_load_the_same_rows_and_leave_the_files(small: Images) -> None:
    on_hive = load(small, None, Progress("index"))  # Hive, as the cluster has it

    assert on_hive == load(small, "duckdb", Progress("index")) | {"engine": "hive"}
    assert all(any(files_of(small.store, table)) for table in tables() if table.directory)


def test_selected_rows_are_equal_on_both_engines_whatever_their_names(small: Images) -> None:
    escaped = HOSTILE_NAME.replace("\\", "\\\\").replace("'", "\\'")
    for where in ("TRUE", WHERE, "repairs IS NULL", f"image_id = '{escaped}'"):
        on_hive = list(select_rows(small, where, engine="hive"))
        assert on_hive
        assert on_hive == list(select_rows(small, where, engine="duckdb"))


def test_hive_keeps_the_comment_of_every_column(small: Images) -> None:
    with open_index(small, "hive") as index:
        for table in tables():
            sql = f"DESCRIBE {table.name}"
            told = index._rows(f"{sql[:9]}{index.database}.{table.name}")  # type: ignore[attr-defined]
            comments = {name: comment for name, _, comment in told if name}
            assert {c.name: c.comment for c in table.columns}.items() <= comments.items()


def test_a_planted_fault_fails_the_load_on_hive_too(small: Images) -> None:
    rows = small_tables()
    rows["images"].append(rows["images"][0] | {"offset": 1})
    images = dataclasses.replace(
        small, name="faulty", store=images_at("faulty", small.cluster).store
    )
    write_tables(rows, images.store)

    with pytest.raises(JobError, match=r"check images_key_unique .*n=2"):
        load(images, "hive", Progress("index"))


@pytest.mark.parametrize("sql", ["SELECT widht FROM images", "SELECT no_such(key) FROM images"])
def test_a_query_that_does_not_fit_is_one_sentence_on_hive(small: Images, sql: str) -> None:
    with open_index(small, "hive") as index, pytest.raises(ConfigError) as error:
        index.query(read_statement(sql))
    assert re.search(r"the query failed: .*(widht|no_such)", str(error.value))


def test_every_query_on_photographs_is_equal_on_both_engines_and_as_documented(
    photographs: Images, repo_root: Path
) -> None:
    on_hive, on_duckdb = answers(photographs, "hive"), answers(photographs, "duckdb")
    documented = dict(
        re.findall(
            r"^## (\w+)\n.*\n```\n([^`]*)```", (repo_root / "docs/queries.md").read_text(), re.M
        )
    )

    assert on_hive == on_duckdb
    assert set(documented) == set(on_duckdb)
    for name, (columns, rows) in on_duckdb.items():
        shown = Shown(iter(rows), 5)
        lines = [*table_lines(columns, shown.rows()), shown.summary()]
        if name not in BY_THE_MODEL:
            assert documented[name].splitlines() == lines

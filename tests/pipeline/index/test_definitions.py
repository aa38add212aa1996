"""`hive/ddl` defines every table, and the files' columns are those that are written."""

from __future__ import annotations

import itertools

from mr_jobs.lib.records import CatalogRow
from pipeline.index.definitions import named, tables

TABLES = {"boxes", "duplicates", "images", "predictions", "quarantine", "refused", "synsets"}
HIVE_COMMENT_CHARACTERS = 256  # of a column, in the metastore


def test_every_table_and_every_column_has_a_comment_that_hive_can_keep() -> None:
    assert {table.name for table in tables()} == TABLES
    for table in tables():
        comments = [table.comment, *(column.comment for column in table.columns)]
        assert all(0 < len(comment) < HIVE_COMMENT_CHARACTERS for comment in comments), table.name
        assert all(comment.isascii() for comment in comments), table.name


def test_every_column_of_a_table_has_a_type_and_a_place_in_the_files() -> None:
    for table in tables():
        if not table.select:
            assert all(column.type for column in table.columns)
            names = [*table.file_columns, *table.path_columns]
            assert sorted(names) == sorted(column.name for column in table.columns)


def test_images_boxes_and_predictions_are_in_partitions() -> None:
    assert {table.name: table.partitions for table in tables() if table.partitions} == {
        "images": ("split",),
        "boxes": ("split",),
        "predictions": ("run_id", "split"),
    }


def test_the_files_of_images_have_the_columns_of_the_catalogue() -> None:
    (images,) = (table for table in tables() if table.name == "images")

    assert images.file_columns == CatalogRow._fields


def test_views_come_after_the_tables_that_they_select_from() -> None:
    kinds = [bool(table.select) for table in tables()]

    assert kinds == sorted(kinds)


def test_every_query_and_check_says_what_it_is() -> None:
    assert len(named("queries")) == 10
    folders = [named(folder).values() for folder in ("queries", "checks", "evaluation")]
    for statement in itertools.chain(*folders):
        assert len(statement.says) > 10, statement.name
        assert statement.severity in ("error", "warn"), statement.name


def test_every_query_says_the_order_of_its_rows() -> None:
    assert [
        query.name
        for query in (*named("queries").values(), *named("evaluation").values())
        if "\nORDER BY" not in query.sql
    ] == []

"""Sqoop on a deployed cluster: tables of a real PostgreSQL into Hive, predictions back to it."""

# ruff: noqa: S608  # SQL of the tests' own

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline import cluster as clusters
from pipeline.cluster import Cluster
from pipeline.images import Images, images_at
from pipeline.stores import HdfsStore
from tests.cluster import pipelines as p
from tests.cluster.components import added
from tests.cluster.conftest import say
from tests.cluster.landscape.postgres import NAME, USER, Postgres, postgres
from tests.pipeline.index.small_tables import RUN_ID, small_tables, write_tables

pytestmark = [pytest.mark.cluster, pytest.mark.landscape, pytest.mark.sqoop]

STORE = "small"
WORDS = [
    ("n01", "1", "tench, Tinca tinca"),
    ("n02", "2", "a\ttab, a \\ backslash, \\N and \\t, 'quotes\", 猫"),
    ("n03", None, "two\nlines"),
    ("n04", "4", None),
    ("n05", "5", ""),
    ("n06", "6", "null"),
]
N_LABELS = 2000
SCHEMA = """
CREATE TABLE words (wnid text PRIMARY KEY, ilsvrc_id integer, words text);
CREATE TABLE classes (id serial PRIMARY KEY, wnid text UNIQUE);
CREATE TABLE pictures (name text PRIMARY KEY, part text NOT NULL, class integer REFERENCES classes);
CREATE TABLE rectangles (image_id text, box integer, wnid text, x0 integer, y0 integer, x1 integer,
                         y1 integer, PRIMARY KEY (image_id, box));
CREATE VIEW boxes AS  -- a column of a table may not be called xmin, one of a view may
    SELECT image_id, box, wnid, x0 AS xmin, y0 AS ymin, x1 AS xmax, y1 AS ymax FROM rectangles;
CREATE VIEW labels AS
    SELECT p.name AS image_id, p.part AS split, c.wnid
    FROM pictures p LEFT JOIN classes c ON c.id = p.class;
INSERT INTO classes (wnid) SELECT 'n0' || n FROM generate_series(1, 6) n;
"""


@pytest.fixture(scope="module")
def cluster(_own_places: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Deploy a cluster with Hive, add Sqoop to it, and destroy it in any case."""
    place = tmp_path_factory.mktemp("sqoop") / "test-sqoop"
    compiled = set(Path("/tmp").glob("sqoop-*/compile/*"))  # noqa: S108  # where Sqoop writes
    with added(place, "sqoop", "sqoop_bin", (), components=["hive"]) as with_sqoop:
        yield with_sqoop
    assert set(Path("/tmp").glob("sqoop-*/compile/*")) == compiled  # noqa: S108


@pytest.fixture(scope="module")
def images(cluster: Cluster) -> Images:
    """Put a small image store's tables into HDFS."""
    images = images_at(STORE, cluster)
    write_tables(small_tables(), images.store)
    return images


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """Start a PostgreSQL with labels, synsets and boxes."""
    with postgres(tmp_path_factory.mktemp("postgres") / "password") as server:
        server.sql(SCHEMA)
        for wnid, number, words in WORDS:
            server.sql(f"INSERT INTO words VALUES ({_sql(wnid)}, {_sql(number)}, {_sql(words)})")
        server.sql(
            "INSERT INTO pictures SELECT 'p' || n, CASE n % 3 WHEN 0 THEN 'val' ELSE 'train' END,"
            f" CASE n % 7 WHEN 6 THEN NULL ELSE n % 7 + 1 END FROM generate_series(1, {N_LABELS}) n"
        )
        server.sql(
            "INSERT INTO rectangles VALUES ('p1', 0, 'n01', 1, 2, 30, 40),"
            " ('p1', 1, 'n02', 0, 0, 9, 9)"
        )
        yield server


def _sql(value: str | None) -> str:
    return "NULL" if value is None else "'" + value.replace("'", "''") + "'"


def args(cluster: Cluster, server: Postgres, *more: object) -> tuple[object, ...]:
    way, *rest = more
    asked = ("--port", server.port, "--database", NAME, "--user", USER)
    secret = ("--password-file", server.password_file)
    return ("sqoop", way, *rest, *asked, *secret, "--images", STORE, *p.on(cluster))


def hive(cluster: Cluster, sql: str) -> list[dict[str, Any]]:
    """Ask Hive, and return the rows."""
    process = p.start(
        "query", sql, "--engine", "hive", "--format", "json", "--images", STORE, *p.on(cluster)
    )
    rows: list[dict[str, Any]] = json.loads(p.end(process)[0])
    return rows


@pytest.fixture(scope="module")
def imported(cluster: Cluster, images: Images, database: Postgres) -> dict[str, Any]:
    given = ("--table", "labels", "--table", "synsets=words", "--table", "boxes")
    return p.run(*args(cluster, database, "import", *given))


def test_rows_are_counted_on_both_sides(imported: dict[str, Any]) -> None:
    counts = {name: told["rows_in_database"] for name, told in imported["tables"].items()}

    assert counts == {"labels": N_LABELS, "synsets": len(WORDS), "boxes": 2}
    assert all(t["rows_in_hive"] == t["rows_in_database"] for t in imported["tables"].values())
    assert imported["hive_database"] == f"images_{STORE}_imported"


def test_texts_arrive_as_they_are_but_for_line_ends(
    cluster: Cluster, imported: dict[str, Any]
) -> None:
    rows = hive(cluster, f"SELECT * FROM {imported['hive_database']}.synsets ORDER BY wnid")

    assert [(row["wnid"], row["ilsvrc_id"], row["words"]) for row in rows] == [
        (wnid, number and int(number), words and words.replace("\n", " "))
        for wnid, number, words in WORDS
    ]


def test_imported_tables_are_joined_with_each_other_and_the_index(
    cluster: Cluster, imported: dict[str, Any]
) -> None:
    database = imported["hive_database"]
    (boxes,) = hive(
        cluster,
        f"SELECT l.wnid, COUNT(*) AS n, MAX(b.xmax) AS xmax FROM {database}.labels l "
        f"JOIN {database}.boxes b ON b.image_id = l.image_id GROUP BY l.wnid",
    )
    (unknown,) = hive(cluster, f"SELECT COUNT(*) AS n FROM {database}.labels WHERE wnid IS NULL")
    (images,) = hive(
        cluster,
        f"SELECT COUNT(*) AS n FROM images i LEFT JOIN {database}.labels l "
        "ON i.image_id = l.image_id WHERE l.image_id IS NULL",
    )

    assert boxes == {"wnid": "n02", "n": 2, "xmax": 30}
    assert unknown == {"n": len([n for n in range(1, N_LABELS + 1) if n % 7 == 6])}
    assert images == {"n": len(small_tables()["images"])}


def test_second_import_takes_the_place_of_the_first(
    cluster: Cluster, database: Postgres, imported: dict[str, Any]
) -> None:
    database.sql("INSERT INTO rectangles VALUES ('p2', 0, 'n03', 5, 5, 6, 6)")

    again = p.run(*args(cluster, database, "import", "--table", "boxes"))

    assert again["tables"]["boxes"]["rows_in_hive"] == 3
    rows = hive(cluster, f"SELECT COUNT(*) AS n FROM {imported['hive_database']}.boxes")
    assert rows == [{"n": 3}]
    folder = cluster.in_hdfs("imported", imported["hive_database"])
    store = HdfsStore(cluster.webhdfs_url, cluster.fs_uri, folder)
    assert len(store.files("boxes")) == 1


def test_table_that_is_not_there_is_one_sentence(
    cluster: Cluster, images: Images, database: Postgres
) -> None:
    process = p.start(*args(cluster, database, "import", "--table", "labels=nothing"))

    _, err = p.end(process, 2)

    assert 'refused: ERROR: relation "public.nothing" does not exist' in err


def test_predictions_are_exported_once(
    cluster: Cluster, images: Images, database: Postgres
) -> None:
    expected = sorted(
        [RUN_ID, *(str(row[name]) for name in ("key", "rank", "predicted", "wnid"))]
        for row in small_tables()["predictions"]
    )
    query = "SELECT run_id, key, rank, predicted, wnid FROM predictions"

    result = p.run(*args(cluster, database, "export", RUN_ID, "--create"))
    exported = sorted(database.sql(query))
    _, err = p.end(p.start(*args(cluster, database, "export", RUN_ID)), 2)
    p.run(*args(cluster, database, "export", RUN_ID, "--replace"))

    assert result["rows"] == len(expected) > 0
    assert exported == expected
    assert "--replace deletes them" in err
    assert sorted(database.sql(query)) == expected


def test_export_that_the_database_refuses_changes_nothing(
    cluster: Cluster, images: Images, database: Postgres
) -> None:
    before = database.sql("SELECT * FROM predictions ORDER BY key, rank")
    database.sql("ALTER TABLE predictions ADD CONSTRAINT few CHECK (rank < 2) NOT VALID")

    _, err = p.end(p.start(*args(cluster, database, "export", RUN_ID, "--replace")), 2)

    assert 'violates check constraint "few"' in err
    assert before
    assert database.sql("SELECT * FROM predictions ORDER BY key, rank") == before


def test_wrong_password_is_one_sentence(
    cluster: Cluster, images: Images, database: Postgres, tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong"
    wrong.touch(mode=0o600)
    wrong.write_text("nobody's\n")
    given = args(cluster, database, "import", "--table", "boxes", "--password-file", wrong)
    options = [wrong if option == database.password_file else option for option in given]

    _, err = p.end(p.start(*options), 2)

    assert 'refused: FATAL: password authentication failed for user "images"' in err


def test_password_is_in_no_file_of_the_cluster(
    cluster: Cluster, imported: dict[str, Any], database: Postgres
) -> None:
    secret = database.password.encode()
    files = [
        Path(folder, name)
        for place in (cluster.log_dir, cluster.conf_dir, cluster.dir / "data" / "datanode")
        for folder, _, names in os.walk(place)
        for name in names
    ]

    assert len(files) > 20
    assert [str(path) for path in files if path.is_file() and secret in path.read_bytes()] == []


def test_second_up_without_a_word_of_sqoop_changes_nothing(cluster: Cluster) -> None:
    again = clusters.up(cluster.name, directory=cluster.dir, progress=say)

    assert (again.changed, again.cluster) == (0, cluster)


def test_down_leaves_nothing_of_sqoop(cluster: Cluster) -> None:
    receipt = clusters.down(
        cluster.name, directory=cluster.dir, expected_id=cluster.id, discard_unsaved=True,
        progress=say,
    )  # fmt: skip

    assert receipt is not None
    assert not cluster.dir.exists()
    assert p.processes(lambda argv, _: f"-Dcluster.id={cluster.id}" in argv) == []

"""Hive on a deployed cluster: added to one that runs, answering, mended, and gone with it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from impala.dbapi import connect

from pipeline import cluster as clusters
from pipeline.cluster import Cluster
from pipeline.stores import HdfsStore

from .components import added, listening, pids, resident_mib
from .conftest import say
from .pipelines import processes

pytestmark = pytest.mark.cluster

NAME = "test-hive"
DAEMONS = {"metastore", "hiveserver2"}
ROWS = [f"n0{number % 3}\tn0{number % 3}_{number}\t{number % 7}" for number in range(1000)]


@pytest.fixture(scope="module")
def hive(_own_places: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Deploy a cluster, add Hive to it, and destroy both in any case."""
    place = tmp_path_factory.mktemp("hive") / NAME
    with added(place, "hive", "hive_port", DAEMONS) as cluster:
        yield cluster


def ask(cluster: Cluster, *statements: str) -> list[tuple[Any, ...]]:
    """Run statements in one session and return the rows of the last."""
    with (
        connect(
            cluster.hive_host,
            cluster.hive_port,
            auth_mechanism="PLAIN",
            user="somebody",
            password="any",  # noqa: S106  # there is none: see hive.server2.authentication
        ) as connection,
        connection.cursor() as cursor,
    ):
        for statement in statements:
            cursor.execute(statement)
        return list(cursor.fetchall()) if cursor.description else []


@pytest.fixture(scope="module")
def table(hive: Cluster) -> Cluster:
    """Put tab separated lines into HDFS and a table over them."""
    store = HdfsStore(hive.webhdfs_url, hive.fs_uri, "/imagenet/images/test/catalog")
    store.write("part-00000", ["".join(f"{row}\n" for row in ROWS).encode()])
    ask(
        hive,
        "CREATE DATABASE test",
        "CREATE EXTERNAL TABLE test.images (wnid STRING, image_id STRING COMMENT 'stem', width INT)"
        " ROW FORMAT DELIMITED FIELDS TERMINATED BY '\\t'"
        " LOCATION '/imagenet/images/test/catalog'",
    )
    return hive


def test_hive_is_well_beside_hadoop(hive: Cluster) -> None:
    assert pids(hive).keys() >= DAEMONS
    assert len(pids(hive)) == 7
    assert hive.metastore_uri == f"thrift://127.0.0.1:{hive.port_base + 17}"


def test_rows_in_hdfs_are_counted_and_grouped(table: Cluster) -> None:
    assert ask(table, "SELECT COUNT(*) FROM test.images") == [(1000,)]
    assert ask(table, "SELECT wnid, COUNT(*) FROM test.images GROUP BY wnid ORDER BY wnid") == [
        *(("n00", 334), ("n01", 333), ("n02", 333)),
    ]


def test_partitions_are_written_and_read_as_parquet(table: Cluster) -> None:
    ask(
        table,
        "CREATE EXTERNAL TABLE test.parts (image_id STRING, width INT)"
        " PARTITIONED BY (wnid STRING) STORED AS PARQUET LOCATION '/imagenet/images/test/parts'",
        "INSERT OVERWRITE TABLE test.parts PARTITION (wnid)"
        " SELECT image_id, width, wnid FROM test.images",
    )

    joined = ask(
        table,
        "SELECT p.wnid, COUNT(*) FROM test.parts p JOIN test.images i ON p.image_id = i.image_id"
        " WHERE p.width = 6 GROUP BY p.wnid ORDER BY p.wnid",
    )

    expected = [row.split("\t")[0] for row in ROWS if row.endswith("\t6")]
    assert joined == [(wnid, expected.count(wnid)) for wnid in sorted(set(expected))]


def test_query_that_is_too_big_for_hiveserver2_runs_on_yarn(table: Cluster) -> None:
    rows = ask(
        table,
        "SET hive.exec.mode.local.auto=false",
        "SELECT wnid, COUNT(*) FROM test.images GROUP BY wnid",
    )

    assert sorted(rows) == [("n00", 334), ("n01", 333), ("n02", 333)]


def test_hive_listens_on_loopback_only(hive: Cluster) -> None:
    for name in DAEMONS:
        assert {address for address, _ in listening(pids(hive)[name])} == {"0100007F"}


def test_hive_stays_within_its_memory(table: Cluster) -> None:
    assert resident_mib(pids(table)[name] for name in DAEMONS) <= 1536


def test_second_up_without_a_word_of_hive_changes_nothing(hive: Cluster) -> None:
    again = clusters.up(hive.name, directory=hive.dir, progress=say)

    assert (again.changed, again.cluster) == (0, hive)


def test_up_restarts_killed_hive_and_its_tables_are_still_there(table: Cluster) -> None:
    before = pids(table)
    for name in DAEMONS:
        os.kill(before[name], signal.SIGKILL)

    clusters.up(table.name, directory=table.dir, progress=say)

    after = pids(table)
    assert {name for name in after if after[name] != before[name]} == DAEMONS
    assert ask(table, "SHOW TABLES IN test") == [("images",), ("parts",)]


def test_down_leaves_nothing_of_hive(hive: Cluster) -> None:
    receipt = clusters.down(hive.name, directory=hive.dir, expected_id=hive.id, progress=say)

    assert receipt is not None
    assert f"{hive.hive_port}" in receipt.read_text().partition("ports_closed")[2]
    assert not hive.dir.exists()
    assert processes(lambda argv, _: f"-Dcluster.id={hive.id}" in argv) == []

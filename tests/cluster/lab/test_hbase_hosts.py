"""HBase on several hosts: a region server a worker, and rows on both."""

from __future__ import annotations

from contextlib import closing

import pytest

from pipeline import cluster as clusters
from pipeline.cluster import Cluster
from tests.cluster.conftest import say
from tests.cluster.lab.conftest import WORKERS, Several

happybase = pytest.importorskip("happybase")

pytestmark = [pytest.mark.cluster, pytest.mark.landscape, pytest.mark.hbase]


@pytest.fixture(scope="module")
def hbase(several: Several) -> Cluster:
    """Add HBase to the session's cluster of several hosts; it goes with it."""
    given = several.cluster
    return clusters.up(
        given.name, directory=given.dir, components=["hbase"],
        inventory=several.inventory, progress=say,
    ).cluster  # fmt: skip


def test_every_worker_has_a_region_server(hbase: Cluster) -> None:
    daemons = clusters.status(hbase.name, directory=hbase.dir)["daemons"]

    assert [
        f"{name} {daemon['says']}" for name, daemon in daemons.items() if not daemon["ok"]
    ] == []
    assert len([name for name in daemons if name.startswith("regionserver")]) == len(WORKERS)
    (master,) = (daemon for name, daemon in daemons.items() if name.startswith("hmaster"))
    assert master["says"] == f"active, {len(WORKERS)} live region servers"


def test_rows_of_all_regions_are_put_and_scanned_from_here(hbase: Cluster) -> None:
    with closing(happybase.Connection(hbase.hbase_host, hbase.hbase_thrift_port)) as connection:
        connection.create_table("images", {"i": {}})
        table = connection.table("images")
        wanted = {f"{n:03d}".encode(): {b"i:data": bytes([n]) * 150_000} for n in range(40)}
        with table.batch(batch_size=10) as batch:
            for key, row in wanted.items():
                batch.put(key, row)

        assert dict(table.scan(batch_size=10)) == wanted

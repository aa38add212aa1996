"""HBase on several hosts: a region server a worker, and rows on both."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from pipeline import cluster as clusters
from pipeline.cluster import Cluster
from tests.cluster.conftest import deployed
from tests.cluster.lab.conftest import MASTER, WORKERS
from tests.cluster.lab.hosts import Lab

happybase = pytest.importorskip("happybase")

pytestmark = [pytest.mark.cluster, pytest.mark.landscape, pytest.mark.hbase]


@pytest.fixture(scope="module")
def hbase(
    hosts: Lab, _own_places: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    """Deploy a cluster with HBase on a master and three workers; destroy it in any case."""
    place = tmp_path_factory.mktemp("gateway") / "hbase-hosts"
    inventory = hosts.inventory(place.with_suffix(".yml"), MASTER, WORKERS)
    before = hosts.all_traces()
    with deployed(place, inventory=inventory, components=["hbase"]) as up:
        yield up.cluster
    hosts.assert_as(before)


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

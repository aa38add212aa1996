"""HBase on a deployed cluster: added to one that runs, answering, mended, and gone with it."""

from __future__ import annotations

import os
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from pipeline import cluster as clusters
from pipeline.cluster import Cluster
from pipeline.stores import HdfsStore
from tests.cluster.components import added, listening, pids, resident_mib
from tests.cluster.conftest import say
from tests.cluster.pipelines import processes

happybase = pytest.importorskip("happybase")

pytestmark = [pytest.mark.cluster, pytest.mark.landscape, pytest.mark.hbase]

DAEMONS = {"zookeeper", "hmaster", "regionserver", "hbasethrift"}
LARGE = 120_000  # bytes: above the table's threshold of 100 kB
KEYS = [f"{number:03d}".encode() for number in range(60)]
CREATE = (
    "create 'images', {NAME => 'i', IS_MOB => true, MOB_THRESHOLD => 102400}, 'm',"
    " SPLITS => ['020', '040']\n"
)


@pytest.fixture(scope="module")
def hbase(_own_places: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Deploy a cluster, add HBase to it, and destroy both in any case."""
    place = tmp_path_factory.mktemp("hbase") / "test-hbase"
    with added(place, "hbase", "hbase_thrift_port", DAEMONS) as cluster:
        yield cluster


def shell(cluster: Cluster, script: str) -> str:
    """Run a script in HBase's own shell; a failure shows its stderr."""
    assert cluster.hbase_bin is not None
    done = subprocess.run(
        [cluster.hbase_bin, "shell", "-n"],
        input=script,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def connect(cluster: Cluster) -> Any:
    return closing(happybase.Connection(cluster.hbase_host, cluster.hbase_thrift_port))


def value(key: bytes) -> bytes:
    """Return the large value of a row."""
    return key * (LARGE // len(key))


def found(cluster: Cluster) -> dict[bytes, dict[bytes, bytes]]:
    """Return all rows of the table, by a scan."""
    with connect(cluster) as connection:
        return dict(connection.table("images").scan(batch_size=20))


ROWS = {key: {b"i:data": value(key), b"m:split": b"train"} for key in KEYS}


@pytest.fixture(scope="module")
def table(hbase: Cluster) -> Cluster:
    """Make a table of three regions, with small and large values in all of them."""
    shell(hbase, CREATE)
    with connect(hbase) as connection, connection.table("images").batch(batch_size=20) as batch:
        for key, row in ROWS.items():
            batch.put(key, row)
    return hbase


def test_hbase_is_well_beside_hadoop(hbase: Cluster) -> None:
    daemons = clusters.status(hbase.name, directory=hbase.dir)["daemons"]

    assert daemons["hmaster"]["says"] == "active, 1 live region servers"
    assert [
        f"{name} {daemon['says']}" for name, daemon in daemons.items() if not daemon["ok"]
    ] == []
    assert len(daemons) == 9
    assert (hbase.hbase_host, hbase.hbase_zookeeper) == ("127.0.0.1", "127.0.0.1")
    assert hbase.hbase_thrift_port == hbase.port_base + 25


def test_rows_are_put_got_and_scanned_by_thrift(table: Cluster) -> None:
    with connect(table) as connection:
        row = connection.table("images").row(b"017")
        part = dict(connection.table("images").scan(row_start=b"038", row_stop=b"042"))

    assert row == ROWS[b"017"]
    assert part == {key: ROWS[key] for key in (b"038", b"039", b"040", b"041")}  # of two regions
    assert found(table) == ROWS


def test_large_values_are_written_to_files_of_their_own(table: Cluster) -> None:
    shell(table, "flush 'images'\n")

    hdfs = HdfsStore(table.webhdfs_url, table.fs_uri, table.hbase_root or "")
    assert hdfs.summary("mobdir/data/default/images")["length"] >= len(KEYS) * LARGE
    assert found(table) == ROWS  # from the files, through the references to them


def test_value_of_the_size_of_the_largest_image_is_kept(table: Cluster) -> None:
    image = os.urandom(32 << 20)
    with connect(table) as connection:
        connection.table("images").put(b"999", {b"i:data": image})
        assert connection.table("images").row(b"999") == {b"i:data": image}
        connection.table("images").delete(b"999")


def test_job_counts_the_rows_by_region(table: Cluster) -> None:
    done = subprocess.run(
        [str(table.hbase_bin), "rowcounter", "images"],
        env={**os.environ, "HBASE_ROOT_LOGGER": "INFO,console"},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert f"ROWS={len(KEYS)}" in done.stderr
    assert "number of splits:3" in done.stderr


def test_pages_of_hbase_are_served(table: Cluster) -> None:
    daemons = clusters.status(table.name, directory=table.dir)["daemons"]
    master, server = daemons["hmaster"]["url"], daemons["regionserver"]["url"]

    assert "Region Servers" in page(f"{master}/master-status")
    assert "images" in page(f"{master}/table.jsp?name=images")
    assert "RegionServer" in page(f"{server}/rs-status")
    assert "Thrift" in page(f"http://127.0.0.1:{table.port_base + 26}/thrift.jsp")


def page(url: str) -> str:
    with urllib.request.urlopen(url, timeout=20) as answer:  # noqa: S310
        return str(answer.read().decode())


def test_hbase_listens_on_loopback_only(hbase: Cluster) -> None:
    for name in DAEMONS:
        assert {address for address, _ in listening(pids(hbase)[name])} == {"0100007F"}, name


def test_hbase_stays_within_its_memory(table: Cluster) -> None:
    assert resident_mib(pids(table)[name] for name in DAEMONS) <= 1536


def test_second_up_without_a_word_of_hbase_changes_nothing(hbase: Cluster) -> None:
    again = clusters.up(hbase.name, directory=hbase.dir, progress=say)

    assert (again.changed, again.cluster) == (0, hbase)


def test_up_brings_back_a_killed_region_server_with_its_rows(table: Cluster) -> None:
    with connect(table) as connection:
        connection.table("images").put(b"new", {b"m:split": b"val"})  # in the log only
    before = pids(table)
    os.kill(before["regionserver"], signal.SIGKILL)

    again = clusters.up(table.name, directory=table.dir, progress=say)

    after = pids(table)
    assert again.changed == 1
    assert {name for name in after if after[name] != before[name]} == {"regionserver"}
    assert found(table) == {**ROWS, b"new": {b"m:split": b"val"}}


def test_rows_survive_a_restart_of_the_whole_cluster(table: Cluster) -> None:
    before = pids(table)
    rows = found(table)

    clusters.restart(table.name, directory=table.dir, progress=say)

    after = pids(table)
    assert before.keys() == after.keys()
    assert not set(before.values()) & set(after.values())
    assert found(table) == rows


def test_down_leaves_nothing_of_hbase(hbase: Cluster) -> None:
    receipt = clusters.down(hbase.name, directory=hbase.dir, expected_id=hbase.id, progress=say)

    assert receipt is not None
    closed = receipt.read_text().partition("ports_closed")[2]
    assert all(f"{hbase.port_base + offset}" in closed for offset in range(20, 27))
    assert not hbase.dir.exists()
    assert processes(lambda argv, _: f"-Dcluster.id={hbase.id}" in argv) == []

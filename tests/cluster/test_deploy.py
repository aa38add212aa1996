"""A deployed cluster: healthy, loopback, idempotent, and it mends what is missing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from mr_jobs.lib.errors import ConfigError
from pipeline import cluster as clusters
from pipeline.cluster import Cluster
from tests.cluster.components import listening, resident_mib

pytestmark = pytest.mark.cluster


def quiet(_: str) -> None:
    """Take a line of progress and drop it."""


def hadoop(cluster: Cluster, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run the launcher; a failure shows its stderr."""
    done = subprocess.run(
        [cluster.hadoop_bin, *words], input=stdin, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done


def state(cluster: Cluster) -> dict[str, Any]:
    return clusters.status(cluster.name, directory=cluster.dir)


def page(url: str) -> str:
    with urllib.request.urlopen(url, timeout=20) as answer:  # noqa: S310
        return str(answer.read().decode(errors="replace"))


def test_every_daemon_says_that_it_is_well(cluster: Cluster) -> None:
    status = state(cluster)

    assert status["ok"] is True
    assert status["id"] == cluster.id
    assert set(status["daemons"]) == {
        *("namenode", "datanode", "resourcemanager", "nodemanager", "historyserver"),
    }
    assert status["daemons"]["namenode"]["figures"]["live_datanodes"] == 1
    assert status["daemons"]["resourcemanager"]["figures"]["active_nodemanagers"] == 1


def test_second_up_changes_nothing(cluster: Cluster) -> None:
    again = clusters.up(cluster.name, directory=cluster.dir, progress=quiet)

    assert (again.changed, again.created) == (0, False)
    assert again.cluster == cluster


def test_up_with_another_port_base_is_refused(cluster: Cluster) -> None:
    with pytest.raises(ConfigError, match="destroy it first to move them"):
        clusters.up(
            cluster.name, directory=cluster.dir, port_base=cluster.port_base + 1, progress=quiet
        )


def test_web_pages_are_served(cluster: Cluster) -> None:
    daemons = state(cluster)["daemons"]

    assert "Namenode information" in page(f"{cluster.webhdfs_url}/dfshealth.html")
    assert "DataNode Information" in page(f"{daemons['datanode']['url']}/datanode.html")
    assert "All Applications" in page(f"{cluster.resourcemanager_url}/cluster")
    assert "NodeManager information" in page(f"{daemons['nodemanager']['url']}/node")
    assert "JobHistory" in page(f"{cluster.historyserver_url}/jobhistory")
    script = page(f"{cluster.resourcemanager_url}/static/jquery/jquery-3.6.0.min.js")
    assert "jQuery" in script


def test_daemons_listen_on_loopback_but_for_the_shuffle(cluster: Cluster) -> None:
    shuffle = ("00000000", f"{cluster.port_base + 12:04X}")  # Hadoop knows no address for it
    for daemon in state(cluster)["daemons"].values():
        for address in listening(daemon["pid"]):
            assert address[0] == "0100007F" or address == shuffle


def test_daemons_stay_within_their_share_of_four_gib(cluster: Cluster) -> None:
    daemons_mib = resident_mib(d["pid"] for d in state(cluster)["daemons"].values())
    metrics = json.loads(page(f"{cluster.resourcemanager_url}/ws/v1/cluster/metrics"))

    containers_mb = metrics["clusterMetrics"]["totalMB"]
    assert daemons_mib <= 1024
    assert daemons_mib + containers_mb <= 4096


@pytest.mark.parametrize("uber", ["true", "false"])
def test_streaming_job_runs_python_and_its_counters_reach_the_client(
    cluster: Cluster, uber: str, tmp_path: Path
) -> None:
    mapper = tmp_path / "mapper.py"
    mapper.write_text(
        "import sys\n"
        "for line in sys.stdin:\n"
        "    print('reporter:counter:images,seen,1', file=sys.stderr)\n"
        "    print(line.strip().upper())\n"
    )
    hadoop(cluster, "fs", "-mkdir", "-p", f"/user/{uber}")
    hadoop(cluster, "fs", "-put", "-", f"/user/{uber}/in.txt", stdin="one\ntwo\n")

    job = hadoop(
        cluster,
        *("jar", str(cluster.streaming_jar), "-D", f"mapreduce.job.ubertask.enable={uber}"),
        *("-D", "mapreduce.job.reduces=1", "-files", str(mapper)),
        *("-input", f"/user/{uber}/in.txt", "-output", f"/user/{uber}/out"),
        *("-mapper", "python3 mapper.py", "-reducer", "cat"),
    )

    assert f"running in uber mode : {uber}" in job.stderr
    assert "seen=2" in job.stderr
    out = hadoop(cluster, "fs", "-cat", f"/user/{uber}/out/part-00000").stdout
    assert out.split() == ["ONE", "TWO"]


def test_finished_job_is_in_the_history_server(cluster: Cluster) -> None:
    jobs = json.loads(page(f"{cluster.historyserver_url}/ws/v1/history/mapreduce/jobs"))

    assert "SUCCEEDED" in {job["state"] for job in jobs["jobs"]["job"]}


def test_up_restarts_a_killed_nodemanager_and_keeps_hdfs(cluster: Cluster) -> None:
    hadoop(cluster, "fs", "-put", "-f", "-", "/user/kept.txt", stdin="kept\n")
    before = state(cluster)["daemons"]
    os.kill(before["nodemanager"]["pid"], signal.SIGKILL)

    result = clusters.up(cluster.name, directory=cluster.dir, progress=quiet)

    after = state(cluster)["daemons"]
    assert result.changed == 1
    assert after["nodemanager"]["pid"] != before["nodemanager"]["pid"]
    assert after["namenode"]["pid"] == before["namenode"]["pid"]
    assert hadoop(cluster, "fs", "-cat", "/user/kept.txt").stdout == "kept\n"


def test_up_brings_back_a_cluster_whose_daemons_were_all_killed(cluster: Cluster) -> None:
    hadoop(cluster, "fs", "-put", "-f", "-", "/user/kept.txt", stdin="kept\n")
    for daemon in state(cluster)["daemons"].values():
        os.kill(daemon["pid"], signal.SIGKILL)
    down = state(cluster)
    assert (down["exists"], down["ok"]) == (True, False)
    assert {daemon["says"] for daemon in down["daemons"].values()} == {"does not run"}

    clusters.up(cluster.name, directory=cluster.dir, progress=quiet)

    assert state(cluster)["ok"] is True
    assert hadoop(cluster, "fs", "-cat", "/user/kept.txt").stdout == "kept\n"

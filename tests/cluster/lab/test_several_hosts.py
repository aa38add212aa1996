"""A cluster on several hosts over ssh: the same results, and what it does to the hosts."""

from __future__ import annotations

import json
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from mr_jobs.lib.errors import ClusterError, ConfigError
from pipeline import cluster as clusters
from tests.cluster import pipelines as p
from tests.cluster.lab.conftest import SPARE, WORKERS, Several

pytestmark = [pytest.mark.cluster, pytest.mark.extended]


def quiet(_: str) -> None:
    """Take a line of progress and drop it."""


@pytest.fixture(scope="module")
def run_id() -> Iterator[str]:
    name = f"test-{uuid.uuid4().hex[:8]}"
    with p.forgotten(name):
        yield name


def test_nothing_but_the_package_and_wheels_is_needed_on_the_hosts(several: Several) -> None:
    for host in WORKERS:
        assert several.lab.daemons(host) == {"datanode", "nodemanager"}
        assert "requirements.txt" in several.lab.run(
            host, f"ls /home/deploy/{several.cluster.name}/dist/wheels-*"
        )
    assert several.lab.daemons("h1") == {"namenode", "resourcemanager", "historyserver"}
    assert several.cluster.python_bin == f"/home/deploy/{several.cluster.name}/env/bin/python"


def test_second_up_changes_nothing_on_any_host(several: Several) -> None:
    again = clusters.up(several.cluster.name, directory=several.cluster.dir, progress=quiet)

    assert (again.changed, again.created) == (0, False)


def test_full_gives_the_predictions_of_one_process(
    several: Several, sample: Path, config: Path, expected: bytes, run_id: str
) -> None:
    result = p.run(
        *("full", *p.on(several.cluster), "--run-id", run_id),
        *("--data", sample, "--config", config),
    )

    assert (Path(result["run_dir"]) / "predictions.tsv").read_bytes() == expected
    logs = [
        several.lab.run(host, f"ls /home/deploy/{several.cluster.name}/logs/userlogs")
        for host in WORKERS
    ]
    assert any("application_" in log for log in logs), "the tasks ran on the workers"


def test_blocks_have_three_replicas(several: Several) -> None:
    out = subprocess.run(
        [several.cluster.hadoop_bin, "dfsadmin", "-report"],
        env={"HADOOP_USER_NAME": "deploy", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert "Live datanodes (3)" in out
    assert "Under replicated blocks: 0" in out


def test_host_that_is_away_is_named_and_nothing_is_deleted(several: Several) -> None:
    name, place = several.cluster.name, several.cluster.dir
    several.lab.cut("h3")
    try:
        with pytest.raises(ClusterError, match=r"^h3 cannot be reached: .*nothing was deleted"):
            clusters.down(name, directory=place, discard_unsaved=True, progress=quiet)
        status = clusters.status(name, directory=place)
    finally:
        several.lab.plug("h3")

    assert not status["ok"]
    assert status["daemons"]["host@h3"]["says"] == "cannot be reached"
    assert status["daemons"]["datanode@h2"]["ok"]
    for host in WORKERS:
        assert several.lab.daemons(host) == {"datanode", "nodemanager"}
    assert (place / ".cluster.json").exists()


def test_unknown_host_is_not_left_out(several: Several) -> None:
    with pytest.raises(ConfigError, match="h9 is not a host of the cluster"):
        clusters.down(
            several.cluster.name, directory=several.cluster.dir, missing=["h9"], progress=quiet
        )


def test_another_key_of_a_host_is_refused(several: Several, tmp_path: Path) -> None:
    known = several.lab.dir / "known_hosts"
    keys = known.read_text()
    first, second = several.lab.address("h2"), several.lab.address("h3")
    swapped = keys.replace(first, "SWAP").replace(second, first).replace("SWAP", second)
    known.write_text(swapped)
    try:
        with pytest.raises(ClusterError, match=r"^h2, h3 cannot be reached: .*[Hh]ost key"):
            clusters.up(several.cluster.name, directory=several.cluster.dir, progress=quiet)
    finally:
        known.write_text(keys)


def test_restart_goes_from_host_to_host(several: Several) -> None:
    pids = {host: several.lab.pids(host, "-Dcluster.daemon=datanode") for host in WORKERS}

    clusters.restart(several.cluster.name, directory=several.cluster.dir, progress=quiet)

    for host in WORKERS:
        now = several.lab.pids(host, "-Dcluster.daemon=datanode")
        assert len(now) == 1
        assert now != pids[host]
    assert clusters.status(several.cluster.name, directory=several.cluster.dir)["ok"]


def test_workers_come_and_go(several: Several, tmp_path: Path) -> None:
    bigger = several.lab.inventory(tmp_path / "other.yml", "h1", ["h3", "h4", SPARE])
    smaller = several.lab.inventory(tmp_path / "small.yml", "h1", ["h3"])

    refused = p.start("scale", *p.on(several.cluster), "--inventory", smaller)
    _, said = p.end(refused, 2)
    assert "needs 3 workers; the inventory has 1" in said
    result = p.run("scale", *p.on(several.cluster), "--inventory", bigger)

    assert (result["added"], result["left"]) == ([SPARE], ["h2"])
    assert several.lab.daemons(SPARE) == {"datanode", "nodemanager"}
    assert several.lab.daemons("h2") == set()
    assert clusters.status(several.cluster.name, directory=several.cluster.dir)["ok"]
    back = several.lab.inventory(tmp_path / "back.yml", "h1", WORKERS)
    result = p.run("scale", *p.on(several.cluster), "--inventory", back)
    assert (result["added"], result["left"]) == (["h2"], [SPARE])


def test_down_leaves_every_host_as_it_was(several: Several) -> None:
    receipt = clusters.down(
        several.cluster.name, directory=several.cluster.dir, discard_unsaved=True, progress=quiet
    )

    assert receipt is not None
    proofs = json.loads(receipt.read_text())["hosts"]
    assert sorted(proofs) == ["gateway", "h1", *WORKERS]
    for proof in proofs.values():
        assert (proof["processes_left"], proof["ports_open"], proof["directory_gone"]) == (
            [],
            [],
            True,
        )
    several.lab.assert_as(several.before)

"""Hosts that fail while the pipeline works on several: the same result, or one clear sentence."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mr_jobs.lib.errors import ClusterError
from pipeline import cluster as clusters
from tests.cluster import pipelines as p
from tests.cluster.lab.conftest import WORKERS, Several

pytestmark = [pytest.mark.cluster, pytest.mark.faults]

CUT_S = 60.0


def quiet(_: str) -> None:
    """Take a line of progress and drop it."""


@pytest.fixture(scope="module")
def run_id(several: Several, sample: Path, config: Path) -> Iterator[str]:
    """A run whose images are in HDFS, and of which nothing else is done."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    with p.forgotten(name):
        options = ("--run-id", name, "--data", sample, "--config", config)
        p.run("ingest", "--only", *p.on(several.cluster), *options)
        yield name


def hit(several: Several, script: str, part: str) -> str:
    """Wait until a worker runs a task of a job, end all of the cluster there, and name the worker.

    What a host loses with its power is its processes; its disk stays.
    """
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        for host in WORKERS:
            if set(several.lab.pids(host, script)) & set(several.lab.pids(host, part)):
                crash(several, host)
                return host
    raise AssertionError(f"no task of {script} came up")


def crash(several: Several, host: str) -> None:
    """End every process of the cluster's user on a host but ssh's."""
    code = (
        "import os,pathlib\n"
        "for p in pathlib.Path('/proc').iterdir():\n"
        "  try: argv, cwd = (p/'cmdline').read_bytes(), os.readlink(p/'cwd')\n"
        "  except OSError: continue\n"
        f"  if p.name.isdigit() and cwd.startswith('/home/deploy/{several.cluster.name}'):\n"
        "    os.kill(int(p.name), 9)"
    )
    several.lab.python(host, code)
    assert several.lab.daemons(host) == set()


@pytest.fixture
def well(several: Several) -> Iterator[Callable[[], None]]:
    """Start what a test has ended."""

    def heal() -> None:
        clusters.up(several.cluster.name, directory=several.cluster.dir, progress=quiet)

    yield heal
    heal()


@pytest.mark.parametrize(
    ("step", "script", "part"),
    [
        ("bundle", "mr_bundle_images.py", "--mapper"),
        ("features", "mr_extract_features.py", "--mapper"),
        ("split", "mr_split_shards.py", "--reducer"),
    ],
)
def test_worker_lost_in_a_task(
    several: Several, run_id: str, well: Callable[[], None], step: str, script: str, part: str
) -> None:
    for before in {"features": ["catalog", "group"], "split": []}.get(step, []):
        p.run(before, *p.on(several.cluster), "--run-id", run_id)
    working = p.start(step, *p.on(several.cluster), "--run-id", run_id)

    hit(several, script, part)

    p.end(working)


def test_network_of_a_worker_cut_for_a_minute(
    several: Several, run_id: str, well: Callable[[], None]
) -> None:
    """The job goes on elsewhere, and the worker takes part again afterwards."""
    working = p.start("train", *p.on(several.cluster), "--run-id", run_id)
    several.lab.cut("h2")
    began = time.monotonic()
    try:
        _, err = working.communicate(timeout=300)
        while time.monotonic() - began < CUT_S:
            several.lab.run("h2", "true")
    finally:
        several.lab.plug("h2")

    assert working.returncode == 0, err
    well()
    assert clusters.status(several.cluster.name, directory=several.cluster.dir)["ok"]


def test_result_after_all_that_is_the_same(several: Several, run_id: str, expected: bytes) -> None:
    result = p.run("full", *p.on(several.cluster), "--run-id", run_id)

    assert (Path(result["run_dir"]) / "predictions.tsv").read_bytes() == expected


def test_worker_lost_for_good(
    several: Several, sample: Path, config: Path, expected: bytes
) -> None:
    """Mid-job its power goes and never comes back: the run ends with the same result.

    Then `down` names it, deletes nothing, and goes without it when told.
    """
    name, place = several.cluster.name, several.cluster.dir
    run_id = f"test-{uuid.uuid4().hex[:8]}"
    with p.forgotten(run_id):
        working = p.start(
            *("full", *p.on(several.cluster), "--run-id", run_id, "--json"),
            *("--data", sample, "--config", config),
        )
        deadline = time.monotonic() + 300
        while not (on := [h for h in WORKERS if several.lab.pids(h, "mr_extract_features.py")]):
            assert time.monotonic() < deadline
        several.lab.end(on[0])
        out, _ = p.end(working)
        assert (Path(json.loads(out)["run_dir"]) / "predictions.tsv").read_bytes() == expected

    with pytest.raises(ClusterError, match=rf"^{on[0]} cannot be reached: .*nothing was deleted"):
        clusters.down(name, directory=place, progress=quiet)
    assert several.lab.daemons("h1") == {"namenode", "resourcemanager", "historyserver"}
    receipt = clusters.down(name, directory=place, missing=[on[0]], progress=quiet)
    assert receipt is not None
    told = json.loads(receipt.read_text())
    assert told["not_reached_and_left_as_they_are"] == [on[0]]
    assert on[0] not in told["hosts"]

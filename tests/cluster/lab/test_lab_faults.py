"""Hosts that fail while the pipeline works on several: the same result, or one clear sentence."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import pytest

from mr_jobs.lib.errors import ClusterError
from pipeline import cluster as clusters
from tests.cluster import pipelines as p
from tests.cluster.faults import hadoop as h
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


MASTER = "org.apache.hadoop.mapreduce.v2.app.MRAppMaster"


def where(several: Several, *words: str) -> str:
    """Wait until a worker runs what has these words in its argv, and name it; all look at once."""
    code = (
        "import pathlib,time\n"
        "def argv(p):\n"
        "  try: return (p/'cmdline').read_bytes().decode(errors='replace').split('\\0')\n"
        "  except OSError: return []\n"
        "end = time.monotonic() + 20\n"
        "while time.monotonic() < end:\n"
        "  for p in pathlib.Path('/proc').iterdir():\n"
        f"    if p.name.isdigit() and set({words!r}) <= set(argv(p)):\n"
        "      print('here'); raise SystemExit\n"
        "  time.sleep(0.02)\n"
    )
    pool, deadline = ThreadPoolExecutor(len(WORKERS)), time.monotonic() + 240
    try:
        while time.monotonic() < deadline:
            looks = {pool.submit(several.lab.python, host, code): host for host in WORKERS}
            for look in as_completed(looks):
                if look.result().strip():
                    return looks[look]
    finally:
        pool.shutdown(wait=False)
    raise AssertionError(f"nothing with {words} came up")


def hit(several: Several, script: str, part: str) -> str:
    """End all of the cluster on a worker that runs a task of a job, and name the worker.

    What a host loses with its power is its processes; its disk stays.
    """
    host = where(several, script, part)
    crash(several, host)
    return host


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
    ("step", "script"),
    [("bundle", "mr_bundle_images.py"), ("features", "mr_extract_features.py")],
)
def test_worker_lost_in_a_map(
    several: Several, run_id: str, well: Callable[[], None], step: str, script: str
) -> None:
    if step == "features":
        for before in ("catalog", "group"):
            p.run(before, *p.on(several.cluster), "--run-id", run_id)
    working = p.start(step, *p.on(several.cluster), "--run-id", run_id)

    hit(several, script, "--mapper")

    p.end(working)


def test_worker_lost_in_a_reduce(several: Several, well: Callable[[], None]) -> None:
    name = f"gate-{uuid.uuid4().hex[:8]}"
    with h.job(several.cluster, Path("/tmp"), h.OWN_TASKS, name=name) as job:  # noqa: S108  # theirs
        for host in WORKERS:
            several.lab.run(host, f"touch {job.map_gate}")
        lost = hit(several, str(job.map_gate), "--reducer")
        for host in WORKERS:
            several.lab.run(host, f"touch {job.reduce_gate}")
        result = job.future.result(240)

        assert (result.counters["read"], job.lines()) == (2, [b'"lines"\t2'])
        assert lost in WORKERS
    for gate in (job.map_gate, job.reduce_gate):
        gate.unlink()


@pytest.mark.parametrize("has", ["task", "master"])
def test_network_of_a_worker_cut_for_a_minute(
    several: Several, well: Callable[[], None], has: str
) -> None:
    """The job goes on elsewhere, and the worker takes part again afterwards."""
    name = f"gate-{uuid.uuid4().hex[:8]}"
    with h.job(several.cluster, Path("/tmp"), h.OWN_TASKS, name=name) as job:  # noqa: S108  # theirs
        host = where(several, str(job.map_gate), "--mapper")
        if has == "master":  # perhaps of another
            host = where(several, MASTER)
        several.lab.cut(host)
        began = time.monotonic()
        try:
            for other in WORKERS:
                several.lab.run(other, f"touch {job.map_gate} {job.reduce_gate}")
            result = job.future.result(400)
            while time.monotonic() - began < CUT_S:
                several.lab.run(host, "true")
        finally:
            several.lab.plug(host)

        assert (result.counters["read"], job.lines()) == (2, [b'"lines"\t2'])
    for gate in (job.map_gate, job.reduce_gate):
        gate.unlink()
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

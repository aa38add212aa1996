"""The pipeline itself is killed, doubled, hung up: it goes on, or says in a sentence why not."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.runs import load_run
from pipeline.steps import STEPS
from tests.cluster import pipelines as p
from tests.cluster.conftest import say
from tests.cluster.faults import hadoop as h
from tests.cluster.faults.conftest import predictions

pytestmark = [pytest.mark.cluster, pytest.mark.faults]


@pytest.fixture
def run_id() -> Iterator[str]:
    made = f"test-{uuid.uuid4().hex[:8]}"
    with p.forgotten(made):
        yield made


def seconds_of(run: dict[str, Any]) -> dict[str, float]:
    return {step["name"]: step["seconds"] for step in run["steps"]}


def kill_in(step: str, seconds: float, *args: object) -> bool:
    """Start the pipeline and kill it in a step; False: that had ended before."""
    process = p.start(*args)
    assert process.stderr is not None
    names = list(STEPS)
    before = names[: names.index(step)]
    if before:
        done = (f"{before[-1]}: done in",)
        while (line := process.stderr.readline()) and not line.startswith(done):
            continue
    killer = threading.Timer(seconds / 4, p.kill, [[process.pid]])  # early: it may be quicker now
    killer.start()
    too_late = False
    for line in process.stderr:
        if line.startswith(f"{step}: done in"):
            too_late = True
            p.kill([process.pid])  # the next steps are still to be killed
    killer.cancel()
    process.communicate()
    return not too_late and process.returncode == -signal.SIGKILL


def test_a_driver_killed_in_every_step_ends_with_the_same_predictions(
    data: Path, config: Path, sound_run: dict[str, Any], run_id: str
) -> None:
    args = ("full", "--data", data, "--config", config, "--runner", "inline", "--run-id", run_id)

    killed = [step for step, s in seconds_of(sound_run).items() if kill_in(step, s, *args)]
    ended = p.run(*args)

    assert len(killed) >= len(STEPS) - 2  # those that end within a blink are not always caught
    assert {"ingest", "bundle", "catalog", "features", "train", "save"} <= {*killed}
    assert predictions(ended) == predictions(sound_run)
    assert ended["counts"] == sound_run["counts"]


def test_a_driver_killed_in_jobs_on_hadoop_ends_with_the_same_predictions(
    hadoop_run: dict[str, Any], sound_run: dict[str, Any]
) -> None:
    assert predictions(hadoop_run) == predictions(sound_run)
    assert hadoop_run["counts"] == sound_run["counts"]


def test_a_second_driver_of_a_run_is_refused_and_the_first_goes_on(
    data: Path, config: Path, sound_run: dict[str, Any], run_id: str
) -> None:
    args = ("full", "--data", data, "--config", config, "--runner", "inline", "--run-id", run_id)
    first = p.start(*args, "--json")
    h.wait_for(lambda: (run := load_run(run_id)) and run.steps)

    _, err = p.end(p.start(*args), 2)
    out, _ = p.end(first)

    say(err.splitlines()[-1])
    assert f"another `pipeline` is working on the run {run_id}" in err.splitlines()[-1]
    assert predictions(json.loads(out)) == predictions(sound_run)


def test_a_lock_that_a_killed_pipeline_left_is_no_hindrance(
    data: Path, config: Path, sound_run: dict[str, Any], run_id: str
) -> None:
    args = ("full", "--data", data, "--config", config, "--runner", "inline", "--run-id", run_id)
    assert kill_in("features", 0, *args)
    assert (p.ROOT / "var" / "locks" / f"run-{run_id}").exists()

    assert predictions(p.run(*args)) == predictions(sound_run)


@pytest.mark.parametrize(("ignored", "code"), [(False, 130), (True, 0)])
def test_a_hangup_ends_a_run_in_good_order_unless_it_is_ignored(
    data: Path, config: Path, run_id: str, *, ignored: bool, code: int
) -> None:
    args = ("full", "--data", data, "--config", config, "--runner", "inline", "--run-id", run_id)
    start = [*(["nohup"] if ignored else []), sys.executable, "-m", "pipeline", *map(str, args)]
    process = subprocess.Popen(
        start, cwd=p.ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    h.wait_for(lambda: (run := load_run(run_id)) and run.steps)

    process.send_signal(signal.SIGHUP)
    began = time.monotonic()
    _, err = p.end(process, code)

    assert ("interrupted" in err.splitlines()[-1]) is not ignored
    assert ignored or time.monotonic() - began < 10
    assert ignored or "Traceback" not in err
    assert p.run(*args)["run_id"] == run_id

"""Tasks and masters that die or hang: the job ends with the same result."""

from __future__ import annotations

import signal
import uuid
from pathlib import Path
from typing import Any

import pytest

from pipeline.cluster import Cluster
from tests.cluster import pipelines as p
from tests.cluster.conftest import say
from tests.cluster.faults import hadoop as h

pytestmark = [pytest.mark.cluster, pytest.mark.faults]

COUNTED = ({"read": 2}, [b'"lines"\t2'])


def test_a_killed_reduce_task_changes_nothing(well: Cluster, tmp_path: Path) -> None:
    with h.job(well, tmp_path, h.OWN_TASKS) as job:
        job.map_gate.touch()
        p.kill(h.wait_for(lambda: job.tasks("--reducer")))
        job.open()
        result = job.future.result(120)

        assert (result.counters, job.lines()) == COUNTED


def test_a_task_killed_while_it_writes_bundles_changes_nothing(
    well: Cluster, data: Path, hadoop_run: dict[str, Any]
) -> None:
    name = f"test-{uuid.uuid4().hex[:8]}"
    named = ("--images", name, "--run-id", name, *p.on(well))
    with p.forgotten(name):
        p.run("ingest", data, "--only", *named)
        process = p.start("bundle", *named)
        p.kill(p.wait_until_there(lambda: p.tasks(well.dir, "mr_bundle_images.py")))
        _, err = p.end(process)

        made = p.records(p.images_of(name, well), "bundles")
        assert made == p.records(p.images_of(hadoop_run["run_id"], well), "bundles")
        assert "tried once more" in err
        p.images_of(name, well).delete("")


@pytest.mark.parametrize("kind", ["own task", "inside the master"])
def test_a_hung_task_is_named_and_tried_again(well: Cluster, tmp_path: Path, kind: str) -> None:
    short = ("mapreduce.task.timeout=20000", "mapreduce.task.timeout.check-interval-ms=1000")
    own = [h.OWN_TASKS] if kind == "own task" else []
    with h.job(well, tmp_path, *own, *short) as job:
        h.signal_all(h.wait_for(job.tasks), signal.SIGSTOP)
        job.open()  # the next one has nothing to wait for
        said = job.says("says nothing for")
        result = job.future.result(150)

        say(said)
        assert "attempt_" in said
        assert (result.counters, job.lines()) == COUNTED


@pytest.mark.parametrize("kind", ["own tasks", "tasks inside it"])
def test_a_killed_master_is_replaced(well: Cluster, tmp_path: Path, kind: str) -> None:
    with h.job(well, tmp_path, *([h.OWN_TASKS] if kind == "own tasks" else [])) as job:
        h.wait_for(job.tasks)
        p.kill(h.masters(well, job.application_ids[0]))
        job.open()
        result = job.future.result(150)

        assert (result.counters, job.lines()) == COUNTED
        assert len(job.application_ids) == 1

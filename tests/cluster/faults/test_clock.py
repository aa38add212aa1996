"""A daemon whose clock is wrong: HDFS does not mind, YARN does from ten minutes on."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mr_jobs.lib.errors import JobError
from pipeline.cluster import Cluster
from tests.cluster.conftest import say
from tests.cluster.faults import hadoop as h

pytestmark = [pytest.mark.cluster, pytest.mark.faults]


def fake_clock(shift_s: int) -> dict[str, str]:
    """Return the environment that shifts a program's wall clock (Debian's package faketime).

    Without the last setting every timed wait of Java ends at once, and the program spins: glibc's
    condition variables need no correction of the monotonic clock any more.
    """
    asked = subprocess.run(
        ["faketime", "-f", "+0s", "printenv", "LD_PRELOAD"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    own = {
        "FAKETIME": f"{shift_s:+d}s",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_FORCE_MONOTONIC_FIX": "0",
    }
    return {"LD_PRELOAD": asked.stdout.strip().replace("libfaketime.so", "libfaketimeMT.so"), **own}


@contextmanager
def ahead(cluster: Cluster, name: str, shift_s: int) -> Iterator[None]:
    """Run a daemon with a clock that is ahead."""
    try:
        env = fake_clock(shift_s)
    except FileNotFoundError:
        pytest.skip("needs Debian's package faketime")
    h.stop(cluster, name)
    try:
        h.start(cluster, name, env=env)
        h.wait_for(lambda: h.is_well(cluster))
        yield
    finally:
        h.stop(cluster, name)
        h.start(cluster, name)
        h.wait_for(lambda: h.is_well(cluster))


@pytest.mark.parametrize(("name", "shift_s"), [("datanode", 600), ("nodemanager", 240)])
def test_a_clock_that_is_minutes_ahead_changes_nothing(
    well: Cluster, tmp_path: Path, name: str, shift_s: int
) -> None:
    with ahead(well, name, shift_s), h.job(well, tmp_path, h.OWN_TASKS, is_open=True) as job:
        result = job.future.result(240)

        assert (result.counters, job.lines()) == ({"read": 2}, [b'"lines"\t2'])


def test_a_nodemanager_too_far_ahead_is_named(well: Cluster, tmp_path: Path) -> None:
    with (
        ahead(well, "nodemanager", 900),
        h.job(well, tmp_path, is_open=True) as job,
        pytest.raises(JobError) as failed,
    ):
        job.future.result(240)

    say(str(failed.value))
    assert "its clock is ten minutes or more ahead" in str(failed.value)
    assert len(str(failed.value).splitlines()) == 1

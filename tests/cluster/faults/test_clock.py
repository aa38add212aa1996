"""A daemon whose clock is wrong by minutes: without Kerberos HDFS and YARN do not mind."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.cluster import Cluster
from tests.cluster.faults import hadoop as h

pytestmark = [pytest.mark.cluster, pytest.mark.faults]


def fake_clock(shift_s: int) -> dict[str, str]:
    """Return the environment that shifts a program's wall clock (Debian's package faketime)."""
    asked = subprocess.run(
        ["faketime", "-f", "+0s", "printenv", "LD_PRELOAD"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    own = {"FAKETIME": f"{shift_s:+d}s", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    return {"LD_PRELOAD": asked.stdout.strip().replace("libfaketime.so", "libfaketimeMT.so"), **own}


@pytest.fixture(params=["datanode", "nodemanager"])
def late(well: Cluster, request: pytest.FixtureRequest) -> Iterator[str]:
    """A daemon that is ten minutes ahead."""
    try:
        env = fake_clock(600)
    except FileNotFoundError:
        pytest.skip("needs Debian's package faketime")
    h.stop(well, request.param)
    h.start(well, request.param, env=env)
    h.wait_for(lambda: h.is_well(well))
    yield request.param
    h.stop(well, request.param)
    h.start(well, request.param)
    h.wait_for(lambda: h.is_well(well))


def test_a_clock_ten_minutes_ahead_changes_nothing(
    well: Cluster, late: str, tmp_path: Path
) -> None:
    with h.job(well, tmp_path, h.OWN_TASKS, is_open=True) as job:
        result = job.future.result(120)

        assert (result.counters, job.lines()) == ({"read": 2}, [b'"lines"\t2'])

"""The memory of programs, seen from outside."""

from __future__ import annotations

import subprocess
import sys
import time

from pipeline.process_memory import PeakMemory, descendants, in_containers, pss_kib

HOLD = "import sys; held = b'x' * (200 << 20); print('there', flush=True); sys.stdin.read()"


def holder(**env: str) -> subprocess.Popen[str]:
    """Start a shell whose child holds 200 MiB until its standard input is closed."""
    process = subprocess.Popen(
        ["sh", "-c", '"$@"; :', "sh", sys.executable, "-c", HOLD],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env or None,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "there\n"
    return process


def test_the_peak_is_of_a_process_and_all_below_it() -> None:
    with holder() as process, PeakMemory(process.pid) as memory:
        deadline = time.monotonic() + 20
        while not memory.peak_mib and time.monotonic() < deadline:
            time.sleep(0.01)

    assert 200 < memory.peak_mib < 400
    assert pss_kib(process.pid) == 0  # it has ended


def test_processes_of_a_container_are_found_by_their_application() -> None:
    env = {"CONTAINER_ID": "container_e07_1700000000000_0042_01_000003"}
    with holder(**env) as process:
        ours = {process.pid} | descendants(process.pid)

        assert len(ours) == 2
        assert in_containers(["application_1700000000000_0042"]) == ours
        assert in_containers(["application_1700000000000_004"]) == set()
        assert in_containers([]) == set()

"""What fuzzing found stays fixed, and a few thousand changed files keep the contract every time."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.fuzz.mutators import mutated
from tests.fuzz.run import FINDINGS, ROOT
from tests.fuzz.seeds import seeds_of
from tests.fuzz.targets import TARGETS

PEAK_KB = 500_000
N_MUTATIONS = {"decode": 1500, "repair": 1500}


@contextmanager
def limits(seconds: int) -> Iterator[None]:
    """Fail what goes on for too long, or takes half a gigabyte of memory."""

    def stop(*_: object) -> None:
        raise TimeoutError(f"still at it after {seconds} s")

    previous = signal.signal(signal.SIGALRM, stop)
    before = _peak_kb(start_again=True)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)
    assert _peak_kb() - before < PEAK_KB


def _peak_kb(*, start_again: bool = False) -> int:
    if start_again:
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins at what is used now
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


@pytest.mark.parametrize(
    "finding",
    sorted(FINDINGS.glob("*/*")),
    ids=lambda path: f"{path.parent.name}/{path.name[:20]}",
)
def test_what_was_found_once_is_right_now(finding: Path) -> None:
    with limits(seconds=5):
        TARGETS[finding.parent.name](finding.read_bytes())


@pytest.mark.parametrize("target", TARGETS)
def test_seeds_and_changes_of_them_keep_the_contract(target: str) -> None:
    seeds = seeds_of(target)
    rng = random.Random(0)
    with limits(seconds=60):
        for seed in seeds:
            TARGETS[target](seed)
        for number in range(N_MUTATIONS.get(target, 4000)):
            data = mutated(target, rng.choice(seeds), rng)
            try:
                TARGETS[target](data)
            except Exception as error:
                error.add_note(f"change {number} of {target}: {data.hex()}")
                raise


@pytest.mark.parametrize("target", ["sequencefile", "typedbytes", "tar"])
def test_memory_stays_a_small_multiple_of_the_file(target: str) -> None:
    rng = random.Random(1)
    seeds = seeds_of(target)
    files = [mutated(target, rng.choice(seeds), rng) for _ in range(100)]
    for data in files:  # imports and caches are no memory of the file's
        TARGETS[target](data)
    tracemalloc.start()
    try:
        for data in files:
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            TARGETS[target](data)
            assert tracemalloc.get_traced_memory()[1] - before < 1_000_000
    finally:
        tracemalloc.stop()


def test_the_fuzzer_runs_counts_and_finds_nothing_in_a_second(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.fuzz.run", "typedbytes", "--runs", "2000"]

    done = subprocess.run(
        [*command, "--corpus", str(tmp_path)], cwd=ROOT, capture_output=True, check=True, timeout=60
    )

    result = json.loads(done.stdout)
    assert result["executions"] == 2000
    assert result["findings"] == []
    assert result["peak_rss_mb"] < 1024

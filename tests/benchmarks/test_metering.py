"""The meter sees all that a program takes, by whichever of its processes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.metering import Group, measure

BURN = """
import time
def burn(seconds):
    while time.process_time() < seconds:
        pass
"""


@pytest.fixture
def program(tmp_path: Path) -> list[str]:
    """A program that is called with `burn SECONDS`, or without, then it is to be filled in."""
    path = tmp_path / "program.py"
    path.write_text(
        BURN
        + """
import subprocess, sys, signal
me = [sys.executable, __file__]
match sys.argv[1:]:
    case ["burn", seconds]:
        burn(float(seconds))
    case ["grandchild"]:
        subprocess.run([*me, "child"], check=True)
    case ["child"]:
        subprocess.run([*me, "burn", "0.4"], check=True)
    case ["daemon"]:  # nobody waits for it
        subprocess.Popen([*me, "burn", "0.4"], start_new_session=True)
    case ["careless"]:  # what it does not wait for, wait does not count
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        child = subprocess.Popen([*me, "burn", "0.4"])
        child.wait()
    case ["large"]:
        subprocess.run([sys.executable, "-c", "b'x' * (200 << 20)"], check=True)
    case ["fails"]:
        sys.exit("it is broken")
"""
    )
    return [sys.executable, str(path)]


@pytest.mark.parametrize("in_group", [True, False])
@pytest.mark.parametrize("who", ["grandchild", "daemon"])
def test_cpu_of_processes_that_the_program_did_not_start_itself_or_wait_for_counts(
    program: list[str], who: str, in_group: bool
) -> None:
    usage = measure([*program, who], in_group=in_group)

    assert usage.exit_code == 0
    assert usage.cpu_s >= 0.4


def test_cpu_of_a_child_of_a_careless_parent_counts(program: list[str]) -> None:
    with Group.made() as group:
        if group is None:
            pytest.skip("only root can make a control group")

    assert measure([*program, "careless"]).cpu_s >= 0.4


@pytest.mark.parametrize("in_group", [True, False])
def test_a_program_has_only_its_own_cpu(program: list[str], in_group: bool) -> None:
    measure([*program, "burn", "1"], in_group=in_group)

    assert measure([*program, "burn", "0.1"], in_group=in_group).cpu_s < 0.8


def test_memory_of_a_child_counts(program: list[str]) -> None:
    assert 200 <= measure([*program, "large"]).peak_mib < 400


def test_the_exit_code_and_what_it_said_are_told(program: list[str]) -> None:
    usage = measure([*program, "fails"])

    assert (usage.exit_code, usage.said) == (1, "it is broken\n")


def test_variables_reach_the_program() -> None:
    command = [sys.executable, "-c", "import os; print(os.environ['A_FACT'])"]

    assert measure(command, env={"A_FACT": "yes"}).said == "yes\n"

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.bin.conftest import Machine

ROOT = Path(__file__).parents[2]
BY_FILE = "--numprocesses=2 --dist=loadfile --no-loadscope-reorder"
EXTRAS = ["hbase", "spark", "h2o", "lab"]
LINTERS = ["ruff", "mypy", "ansible-lint", "shellcheck"]


@pytest.fixture
def checkout(machine: Machine) -> Machine:
    """A machine whose .venv holds programs that all pass, and whose lock is in order."""
    machine.run("setup")
    (machine.repo / "requirements").mkdir()
    for extra in EXTRAS:
        (machine.repo / f"requirements/{extra}.txt").write_text("one==1\n")
    venv = machine.repo / ".venv/bin"
    for name in LINTERS:
        machine.give(name, f"echo {name} is happy", folder=venv)
    machine.give("pytest", "echo 5 passed", folder=venv)
    machine.give("lock", "echo the lock is in order", folder=machine.repo / "bin")
    machine.forget_calls()
    return machine


def summary(stdout: str) -> dict[str, str]:
    """Return the verdict of each part from the table at the end."""
    rows = stdout[stdout.index("== summary") :].splitlines()[1:]
    return {row.split()[0]: row.split()[-1] for row in rows}


def test_every_part_runs_and_passes(checkout: Machine) -> None:
    result = checkout.run("check")

    assert result.returncode == 0, result.stdout + result.stderr
    parts = ["ruff", "mypy", "ansible", "shell", "lock", "unit", "cluster"]
    assert summary(result.stdout) == dict.fromkeys(parts, "passed")
    assert {
        "pytest --numprocesses=auto",
        "pytest -m cluster and not extended and not faults and not landscape",
        "ruff check",
        "ruff format --check",
    } <= {*checkout.calls}


def test_every_part_has_a_heading_above_its_output(checkout: Machine) -> None:
    lines = checkout.run("check").stdout.splitlines()

    assert lines[lines.index("== mypy") + 1] == "mypy is happy"
    assert lines[lines.index("== unit") + 1] == "5 passed"


@pytest.mark.parametrize("broken", ["mypy", "pytest"])
def test_the_other_parts_go_on_after_a_failure(checkout: Machine, broken: str) -> None:
    checkout.give(broken, "echo 1 failed; exit 3", folder=checkout.repo / ".venv/bin")

    result = checkout.run("check")

    failing = {"mypy": ["mypy"], "pytest": ["unit", "cluster"]}[broken]
    assert result.returncode == 1
    assert [part for part, verdict in summary(result.stdout).items() if verdict == "failed"] == (
        failing
    )
    assert "1 failed" in result.stdout


def test_one_part_runs_alone(checkout: Machine) -> None:
    result = checkout.run("check", "unit")

    assert summary(result.stdout) == {"unit": "passed"}
    assert [call for call in checkout.calls if not call.startswith("python")] == [
        "pytest --numprocesses=auto"
    ]


@pytest.mark.parametrize("part", ["cluster", "extended", "faults"])
def test_only_the_parts_with_a_cluster_need_java(checkout: Machine, part: str) -> None:
    checkout.take("java")
    checkout.give("id", "echo 1000")

    assert checkout.run("check", "unit", "ruff").returncode == 0
    assert checkout.run("check", part).returncode == 2


@pytest.mark.parametrize(
    ("part", "marked"),
    [
        ("extended", "extended and not faults"),
        ("faults", f"faults {BY_FILE} tests/cluster/lab tests/cluster/faults"),
        ("landscape", f"landscape {BY_FILE} tests/cluster/lab tests/cluster/landscape"),
    ],
)
def test_a_long_part_runs_only_when_it_is_named(checkout: Machine, part: str, marked: str) -> None:
    result = checkout.run("check", part)

    assert summary(result.stdout) == {part: "passed"}
    assert f"pytest -m {marked}" in checkout.calls
    assert part in checkout.run("check", "--help").stdout


def test_an_unknown_part_is_refused_before_anything_runs(checkout: Machine) -> None:
    result = checkout.run("check", "unit", "lint")

    assert result.returncode == 2
    assert "no part named lint" in result.stderr
    assert checkout.calls == []


def test_checks_run_in_the_checkout_whatever_the_directory(checkout: Machine) -> None:
    checkout.give("pytest", "echo in $PWD", folder=checkout.repo / ".venv/bin")

    result = checkout.run("check", "unit", cwd=checkout.home)

    assert f"in {checkout.repo}\n" in result.stdout


def test_ci_runs_every_check_and_nothing_else(checkout: Machine) -> None:
    shutil.copytree(ROOT / ".ci", checkout.repo / ".ci")
    checkout.give("check", "exit 7", folder=checkout.repo / "bin")

    result = checkout.run("../.ci/run")

    assert (result.returncode, checkout.calls) == (7, ["check "])

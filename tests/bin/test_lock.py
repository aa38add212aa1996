from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.bin.conftest import Machine


@pytest.fixture
def checkout(machine: Machine) -> Machine:
    """A checkout whose uv writes one package, unless the lock has it already."""
    machine.run("setup")
    machine.give(
        "uv",
        """
        while [[ $1 != --output-file ]]; do shift; done
        grep -q click "$2" || echo "click==8.5.1 --hash=sha256:1" >>"$2"
        """,
        folder=machine.repo / ".venv/bin",
    )
    return machine


def test_a_fresh_lock_passes_the_check_and_keeps_its_versions(checkout: Machine) -> None:
    for _ in range(2):
        assert checkout.run("lock").returncode == 0

    lines = (checkout.repo / "requirements.txt").read_text().splitlines()
    assert lines[0].startswith("# Written by bin/lock from setup.py, sha256 ")
    assert lines[-1] == "click==8.5.1 --hash=sha256:1"
    assert checkout.run("lock", "--check").returncode == 0
    assert len([line for line in lines if line.startswith(("#", "click"))]) == 2


def test_a_changed_setup_py_fails_the_check_with_the_command_to_run(checkout: Machine) -> None:
    checkout.run("lock")
    with (checkout.repo / "setup.py").open("a") as file:
        file.write("# one more dependency\n")

    result = checkout.run("lock", "--check")

    assert result.returncode == 1
    assert result.stderr.endswith("run bin/lock\n")


def test_a_failing_uv_leaves_the_lock_as_it_was(checkout: Machine) -> None:
    before = (checkout.repo / "requirements.txt").read_bytes()
    checkout.give("uv", "exit 1", folder=checkout.repo / ".venv/bin")

    assert checkout.run("lock").returncode == 1
    assert (checkout.repo / "requirements.txt").read_bytes() == before
    assert not list(checkout.repo.glob("requirements.*.txt*"))

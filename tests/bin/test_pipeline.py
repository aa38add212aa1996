from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.bin.conftest import Machine


@pytest.fixture
def checkout(machine: Machine) -> Machine:
    """A checkout that is set up, with a Python that tells how it was started."""
    machine.give("setup", folder=machine.repo / "bin")
    machine.give("python", 'echo "$*"', folder=machine.repo / ".venv/bin")
    return machine


@pytest.mark.parametrize(
    "command",
    [
        "full",
        "full --data photos --run-id r1",
        "full --runner hadoop",
        "--json full",
        "up",
        "up --name two",
    ],
)
def test_commands_that_deploy_a_cluster_have_java_set_up(checkout: Machine, command: str) -> None:
    checkout.run("pipeline", *command.split())

    assert checkout.calls[0] == "setup "


@pytest.mark.parametrize(
    "command",
    [
        "",
        "--help",
        "full --help",
        "full --dry-run",
        "full --runner inline",
        "full --data photos --runner=local",
        "--json full --runner inline",
        "sample full",
        "predict models/saved/r1 up full",
        "runs",
        "status",
        "down",
    ],
)
def test_all_other_commands_need_no_java(checkout: Machine, command: str) -> None:
    checkout.run("pipeline", *command.split())

    assert checkout.calls[0] == "setup --no-java"


def test_arguments_reach_python_unchanged(checkout: Machine) -> None:
    result = checkout.run("pipeline", "predict", "a b.jpg", "*", "")

    assert result.stdout == "-P -m pipeline predict a b.jpg * \n"


def test_relative_paths_mean_the_directory_of_the_user(checkout: Machine) -> None:
    checkout.give("python", "echo $PWD", folder=checkout.repo / ".venv/bin")

    result = checkout.run("pipeline", "runs", cwd=checkout.tools)

    assert result.stdout == f"{checkout.tools}\n"


def test_the_environment_comes_first_on_path_with_one_thread_a_task(checkout: Machine) -> None:
    checkout.give("python", "echo $PATH $OMP_NUM_THREADS", folder=checkout.repo / ".venv/bin")

    result = checkout.run("pipeline", "runs")

    assert result.stdout == f"{checkout.repo}/.venv/bin:{checkout.tools} 1\n"


def test_the_user_can_allow_more_threads(checkout: Machine) -> None:
    checkout.give("python", "echo $OMP_NUM_THREADS", folder=checkout.repo / ".venv/bin")

    result = checkout.run("pipeline", "runs", env={"OMP_NUM_THREADS": "4"})

    assert result.stdout == "4\n"


def test_standard_input_reaches_python(checkout: Machine) -> None:
    checkout.give("python", "cat", folder=checkout.repo / ".venv/bin")

    assert checkout.run("pipeline", "down", stdin="two\n").stdout == "two\n"


def test_the_exit_code_is_that_of_python(checkout: Machine) -> None:
    checkout.give("python", "exit 5", folder=checkout.repo / ".venv/bin")

    assert checkout.run("pipeline", "full").returncode == 5


def test_nothing_starts_when_the_setup_failed(checkout: Machine) -> None:
    checkout.give("setup", "exit 2", folder=checkout.repo / "bin")

    result = checkout.run("pipeline", "full")

    assert (result.returncode, result.stdout) == (2, "")


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_signals_reach_python_itself(checkout: Machine, name: str) -> None:
    checkout.give(
        "python",
        f"""
        trap 'echo got {name}; exit 9' {name}
        echo ready $$
        read -r _  # from a pipe that stays open""",
        folder=checkout.repo / ".venv/bin",
    )
    process = checkout.start("pipeline", "full")
    assert process.stdout is not None
    assert process.stdout.readline() == f"ready {process.pid}\n"

    process.send_signal(signal.Signals[name])

    assert process.stdout.readline() == f"got {name}\n"
    process.communicate(timeout=30)
    assert process.returncode == 9


def test_pipeline_works_through_a_symlink(checkout: Machine) -> None:
    (checkout.repo / "bin/link").symlink_to(checkout.repo / "bin/pipeline")

    assert checkout.run("link", "runs").stdout == "-P -m pipeline runs\n"

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.bin.conftest import Machine

APT_GET_INSTALL = "apt-get install --yes --no-install-recommends"


def the_sentence(result: subprocess.CompletedProcess[str]) -> str:
    """Return the one line that a stopped bin/setup leaves, without its name."""
    (line,) = result.stderr.splitlines()
    return line.removeprefix("bin/setup: ")


def test_setup_makes_the_environment_from_the_lock_with_hashes(machine: Machine) -> None:
    result = machine.run("setup")

    assert result.returncode == 0, result.stderr
    assert machine.calls[0] == "python3.11 -m venv .venv"
    installs = [call for call in machine.calls if " install " in call]
    assert all("--require-hashes" in call for call in installs[:-1])
    assert "--requirement requirements.txt" in installs[1]
    assert installs[-1].endswith("--no-deps --no-build-isolation --editable .")


def test_setup_does_nothing_the_second_time_and_says_nothing(machine: Machine) -> None:
    machine.run("setup")
    machine.forget_calls()

    result = machine.run("setup")

    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert [call for call in machine.calls if call != "python3.11 -V"] == []


@pytest.mark.parametrize("name", ["requirements.txt", "setup.py"])
def test_setup_makes_the_environment_anew_when_its_source_changes(
    machine: Machine, name: str
) -> None:
    machine.run("setup")
    machine.forget_calls()
    with (machine.repo / name).open("a") as file:
        file.write("# changed\n")

    machine.run("setup")

    assert "python3.11 -m venv .venv" in machine.calls


def test_a_moved_checkout_makes_an_environment_of_its_own(machine: Machine) -> None:
    machine.run("setup")
    machine.forget_calls()
    (machine.home / "elsewhere").mkdir()
    machine.repo.rename(machine.home / "elsewhere" / "repo")
    (machine.home / "repo").symlink_to(machine.home / "elsewhere" / "repo")

    machine.run("setup")

    assert "python3.11 -m venv .venv" in machine.calls


def test_an_environment_whose_python_is_gone_is_made_anew(machine: Machine) -> None:
    machine.run("setup")
    (machine.repo / ".venv/bin/python").unlink()

    assert machine.run("setup").returncode == 0
    assert (machine.repo / ".venv/bin/python").exists()


def test_a_failed_install_is_said_and_repaired_by_the_next_call(machine: Machine) -> None:
    machine.give_python("python3.11", "[[ $* == *' install '* ]] && exit 1")
    failed = machine.run("setup")
    machine.take("python3.11")
    machine.give_python("python3.12")

    repaired = machine.run("setup")

    assert failed.returncode == 2
    assert "run this again" in failed.stderr
    assert repaired.returncode == 0, repaired.stderr
    assert machine.run("setup").stderr == ""


def test_two_setups_at_once_make_one_environment(machine: Machine) -> None:
    gate = machine.home / "gate"
    os.mkfifo(gate)
    machine.give_python("python3.11", f"[[ $2 == venv ]] && read -r _ <'{gate}'")
    first = machine.start("setup")
    wait_for_line(first, "making .venv")
    second = machine.start("setup")
    wait_for_line(second, "waiting for another bin/setup")
    gate.write_text("go\n")

    assert [finish(first), finish(second)] == [0, 0]
    assert machine.calls.count("python3.11 -m venv .venv") == 1


def test_a_killed_setup_leaves_no_lock_and_the_next_call_starts_again(machine: Machine) -> None:
    gate = machine.home / "gate"
    os.mkfifo(gate)
    machine.give_python("python3.11", f"[[ $2 == venv ]] && echo begun >&2 && exec cat '{gate}'")
    killed = machine.start("setup")
    wait_for_line(killed, "begun")
    killed.kill()
    gate.write_text("")  # ends the child that the kill left
    finish(killed)
    machine.give_python("python3.11")

    result = machine.run("setup")

    assert result.returncode == 0, result.stderr
    assert (machine.repo / ".venv/setup.stamp").exists()


def test_a_python_that_does_not_work_is_passed_over(machine: Machine) -> None:
    machine.take("python3.11")
    machine.give("python3.11", "echo 'pyenv: python3.11: command not found' >&2; exit 127")
    machine.give_python("python3.12")

    result = machine.run("setup")

    assert result.returncode == 0, result.stderr
    assert "python3.12 -m venv .venv" in machine.calls
    assert "pyenv" not in result.stderr


def test_a_good_python_behind_a_broken_one_of_the_same_name_is_found(machine: Machine) -> None:
    shims = machine.home / "shims"
    machine.give("python3.11", "exit 127", folder=shims)

    result = machine.run("setup", env={"PATH": f"{shims}:{machine.tools}"})

    assert result.returncode == 0, result.stderr


def test_without_root_a_missing_python_is_one_sentence_with_the_command(machine: Machine) -> None:
    machine.take("python3.11")
    machine.give("id", "echo 1000")

    result = machine.run("setup", "--no-java")

    assert result.returncode == 2
    assert "Python 3.11 or 3.12 with venv" in the_sentence(result)
    assert f"{APT_GET_INSTALL} python3-venv" in the_sentence(result)


def test_without_root_missing_java_and_maven_are_one_sentence_with_the_command(
    machine: Machine,
) -> None:
    machine.take("java")
    machine.take("mvn")
    machine.give("id", "echo 1000")

    result = machine.run("setup")

    assert result.returncode == 2
    assert "lacks Java 17 and Maven: as root" in the_sentence(result)
    assert f"{APT_GET_INSTALL} openjdk-17-jre-headless maven" in the_sentence(result)
    assert machine.calls == []


def test_no_java_option_needs_neither_java_nor_maven(machine: Machine) -> None:
    machine.take("java")
    machine.take("mvn")
    machine.give("id", "echo 1000")

    assert machine.run("setup", "--no-java").returncode == 0


@pytest.mark.parametrize("version", ["1.8.0_362", "11.0.20", "25"])
def test_another_java_counts_as_missing(machine: Machine, version: str) -> None:
    machine.give_java(version)
    machine.give("id", "echo 1000")

    assert "Java 17" in the_sentence(machine.run("setup"))


def test_java_home_comes_before_path(machine: Machine) -> None:
    machine.give("java", "echo 'openjdk version \"11.0.20\"' >&2", folder=machine.home / "jdk/bin")
    machine.give("id", "echo 1000")

    result = machine.run("setup", env={"JAVA_HOME": str(machine.home / "jdk")})

    assert "Java 17" in the_sentence(result)


def test_setup_works_through_a_symlink_from_any_directory(
    machine: Machine, tmp_path_factory: pytest.TempPathFactory
) -> None:
    link = machine.repo / "bin" / "link"
    outside = tmp_path_factory.mktemp("elsewhere")
    (outside / "my-setup").symlink_to(machine.repo / "bin/setup")
    link.symlink_to(outside / "my-setup")

    result = machine.run("link", cwd=outside)

    assert result.returncode == 0, result.stderr
    assert (machine.repo / ".venv/setup.stamp").exists()
    assert sorted(path.name for path in outside.iterdir()) == ["my-setup"]


def test_standard_output_stays_empty(machine: Machine) -> None:
    assert machine.run("setup").stdout == ""


def test_an_unknown_option_is_refused(machine: Machine) -> None:
    result = machine.run("setup", "--nojava")

    assert result.returncode == 2
    assert "unknown option --nojava" in the_sentence(result)


def wait_for_line(process: subprocess.Popen[str], words: str) -> None:
    """Read the process's standard error up to the line with `words`."""
    assert process.stderr is not None
    for line in process.stderr:
        if words in line:
            return
    raise AssertionError(f"no line with {words!r}")


def finish(process: subprocess.Popen[str]) -> int:
    """Wait for the process and close its pipes."""
    process.communicate(timeout=30)
    return process.returncode

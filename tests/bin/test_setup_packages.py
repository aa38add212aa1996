from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.bin.conftest import Machine

APT_GET_INSTALL = "apt-get install --yes --no-install-recommends"


def test_root_installs_what_is_missing_without_being_asked_anything(machine: Machine) -> None:
    java = machine.tools / "java"
    java.rename(machine.home / "java")
    machine.take("mvn")
    machine.give(
        "apt-get",
        f"""
        cat  # ends at once: there is no standard input
        [[ $DEBIAN_FRONTEND == noninteractive ]] || exit 1
        if [[ $1 == install ]]; then
          cp "{machine.home}/java" "{java}"; cp "$0" "{machine.tools}/mvn"
        fi""",
    )

    result = machine.run("setup", stdin="yes\n")

    assert result.returncode == 0, result.stderr
    assert machine.calls[0] == "apt-get update"
    assert machine.calls[1].startswith(f"{APT_GET_INSTALL} openjdk-17-jre-headless maven")


def test_root_installs_the_library_of_imagemagick(machine: Machine) -> None:
    machine.give("ldconfig")
    library = machine.tools / "ldconfig"
    found = f"printf '#!/bin/bash\\necho libMagickWand-6.Q16.so.6' >'{library}'"
    machine.give("apt-get", f"[[ $1 != install ]] || {found}")

    assert machine.run("setup").returncode == 0
    assert machine.calls[1].startswith(f"{APT_GET_INSTALL} libmagickwand-6.q16-6")


def test_root_installs_a_browser_only_when_asked_for_one(machine: Machine) -> None:
    machine.take("chromium")
    found = f"printf '#!/bin/bash\n' >'{machine.tools / 'chromium'}'"
    machine.give(
        "apt-get", f"[[ $1 != install ]] || {{ {found}; chmod +x '{machine.tools}/chromium'; }}"
    )

    assert machine.run("setup").returncode == 0
    assert not any(call.startswith("apt-get") for call in machine.calls)
    assert machine.run("setup", "--browser").returncode == 0
    assert f"{APT_GET_INSTALL} chromium fonts-dejavu-core" in " ".join(machine.calls)


def test_without_root_a_machine_without_imagemagick_is_good_enough(machine: Machine) -> None:
    machine.give("ldconfig")
    machine.give("id", "echo 1000")

    assert machine.run("setup").returncode == 0


def test_a_failing_apt_get_stops_the_setup_with_a_sentence(machine: Machine) -> None:
    machine.take("mvn")

    result = machine.run("setup")

    assert result.returncode == 2
    assert "apt-get could not install Maven: see its message above" in result.stderr


def test_root_on_a_machine_without_apt_get_is_told_what_is_missing(machine: Machine) -> None:
    machine.take("mvn")
    machine.take("apt-get")

    result = machine.run("setup")

    assert result.returncode == 2
    assert "Maven" in result.stderr


def test_a_java_that_apt_get_installed_and_nothing_finds_is_said(machine: Machine) -> None:
    machine.give_java("11.0.20")
    machine.give("apt-get")

    result = machine.run("setup")

    assert result.returncode == 2
    assert "check PATH and JAVA_HOME" in result.stderr

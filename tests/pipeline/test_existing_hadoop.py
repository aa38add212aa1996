"""Which Hadoop is found on a machine, and what is said when there is none that can be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.existing_hadoop import Hadoop, find_hadoop, write_launcher


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without any Hadoop."""
    for name in ("HADOOP_HOME", "HADOOP_CONF_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path / 'usr/bin'}:/usr/bin:/bin")
    (tmp_path / "usr/bin").mkdir(parents=True)
    return tmp_path


def program(path: Path, says: str = "Hadoop 3.3.6") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'#!/bin/sh\n[ "$1" = version ] && echo "{says}"\necho "in $HADOOP_CONF_DIR"\n')
    path.chmod(0o755)
    return path


def configuration(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    (path / "core-site.xml").write_text("<configuration/>")
    return path


def jar(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path.resolve()


def apache(home: Path, says: str = "Hadoop 3.3.6") -> Hadoop:
    """Unpack something like Apache's tarball."""
    jar(home / "share/hadoop/tools/sources/hadoop-streaming-3.3.6-sources.jar")
    return Hadoop(
        program(home / "bin/hadoop", says),
        configuration(home / "etc/hadoop"),
        jar(home / "share/hadoop/tools/lib/hadoop-streaming-3.3.6.jar"),
        "3.3.6",
    )


def found(root: Path) -> Hadoop:
    problems: list[str] = []
    hadoop = find_hadoop(problems, root)
    assert problems == []
    assert hadoop is not None
    return hadoop


def refused(root: Path) -> list[str]:
    problems: list[str] = []
    assert find_hadoop(problems, root) is None
    return problems


def test_hadoop_home_is_taken_with_its_own_configuration(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = apache(machine / "opt/hadoop")
    apache(machine / "usr/hdp/3.1.4.0-315/hadoop")
    configuration(machine / "etc/hadoop/conf")
    monkeypatch.setenv("HADOOP_HOME", str(machine / "opt/hadoop"))

    assert found(machine) == wanted


def test_hadoop_conf_dir_goes_before_all_other_configurations(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    apache(machine / "opt/hadoop")
    monkeypatch.setenv("HADOOP_HOME", str(machine / "opt/hadoop"))
    monkeypatch.setenv("HADOOP_CONF_DIR", str(configuration(machine / "elsewhere")))

    assert found(machine).conf_dir == machine / "elsewhere"


def test_the_current_one_of_hdps_versions_is_taken(machine: Path) -> None:
    program(machine / "usr/hdp/3.0.0.0-1634/hadoop/bin/hadoop")
    wanted = program(
        machine / "usr/hdp/current/hadoop-client/bin/hadoop", "Hadoop 3.1.1.3.1.4.0-315"
    )
    streaming = jar(machine / "usr/hdp/current/hadoop-mapreduce-client/hadoop-streaming.jar")
    conf = configuration(machine / "etc/hadoop/conf")

    assert found(machine) == Hadoop(wanted, conf, streaming, "3.1.1.3.1.4.0-315")


def test_without_a_current_one_the_newest_of_hdps_versions_is_taken(machine: Path) -> None:
    for version in ("3.1.4.0-315", "3.1.10.0-2", "2.6.5.0-292"):
        program(machine / f"usr/hdp/{version}/hadoop/bin/hadoop", "Hadoop 3.1.1")
        jar(machine / f"usr/hdp/{version}/hadoop-mapreduce/hadoop-streaming.jar")
    configuration(machine / "etc/hadoop/conf")

    assert found(machine).program == machine / "usr/hdp/3.1.10.0-2/hadoop/bin/hadoop"
    assert "3.1.10.0-2" in str(found(machine).streaming_jar)


def test_hadoop_on_path_is_followed_to_its_home(machine: Path) -> None:
    wanted = apache(machine / "opt/hadoop")
    (machine / "usr/bin/hadoop").symlink_to(wanted.program)

    assert found(machine).streaming_jar == wanted.streaming_jar
    assert found(machine).conf_dir == wanted.conf_dir


def test_without_any_hadoop_all_that_was_tried_is_said(machine: Path) -> None:
    no_program, no_configuration = refused(machine)

    for tried in ("HADOOP_HOME (not set)", str(machine / "usr/hdp"), "hadoop on PATH"):
        assert tried in no_program
    for tried in ("HADOOP_CONF_DIR (not set)", str(machine / "etc/hadoop/conf")):
        assert tried in no_configuration


def test_a_hadoop_home_without_hadoop_is_refused_though_there_is_another(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    apache(machine / "usr/hdp/current/hadoop-client")
    configuration(machine / "etc/hadoop/conf")
    monkeypatch.setenv("HADOOP_HOME", str(machine / "gone"))

    assert refused(machine) == [
        f"HADOOP_HOME is {machine / 'gone'}, where no bin/hadoop is; correct it or unset it"
    ]


def test_an_old_hadoop_without_streaming_and_a_wrong_conf_dir_are_said_in_one_go(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(machine / "opt/hadoop/bin/hadoop", "Hadoop 2.7.3")
    monkeypatch.setenv("HADOOP_HOME", str(machine / "opt/hadoop"))
    monkeypatch.setenv("HADOOP_CONF_DIR", str(machine / "nowhere"))

    problems = refused(machine)

    assert len(problems) == 3
    assert "is of Hadoop 2.7.3; 3.0 or newer is needed" in "".join(problems)
    assert "no hadoop-streaming*.jar" in "".join(problems)
    assert "where no core-site.xml is" in "".join(problems)


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("echo Hadoop is broken", "does not say `Hadoop` and a version"),
        ("echo ERROR: JAVA_HOME is not set >&2; exit 1", "failed: ERROR: JAVA_HOME is not set"),
    ],
)
def test_a_hadoop_that_does_not_work_is_said(
    machine: Path, monkeypatch: pytest.MonkeyPatch, script: str, told: str
) -> None:
    apache(machine / "opt/hadoop").program.write_text(f"#!/bin/sh\n{script}\n")
    monkeypatch.setenv("HADOOP_HOME", str(machine / "opt/hadoop"))

    (problem,) = refused(machine)
    assert told in problem


def test_the_launcher_starts_it_with_the_configuration_that_was_found(
    machine: Path, tmp_path: Path
) -> None:
    from pipeline.existing_hadoop import client

    hadoop = apache(machine / "opt/my hadoop")

    launcher = write_launcher(hadoop, tmp_path)

    assert client([str(launcher), "classpath"], None) == f"in {hadoop.conf_dir}\n"

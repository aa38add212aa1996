"""Jars are had once, whole or not at all, and never from a tarball with a wrong checksum."""

from __future__ import annotations

import hashlib
import io
import os
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

MEMBERS = {
    "common/hadoop-common-3.4.2.jar": True,
    "common/lib/guava-27.0-jre.jar": True,
    "common/hadoop-common-3.4.2-tests.jar": False,
    "common/sources/hadoop-common-3.4.2-sources.jar": False,
    "hdfs/hadoop-hdfs-3.4.2-tests.jar": True,  # the web pages are in it
    "hdfs/hadoop-hdfs-client-3.4.2-tests.jar": False,
    "yarn/timelineservice/hadoop-yarn-server-timelineservice-3.4.2.jar": True,
    "yarn/timelineservice/hadoop-yarn-server-timelineservice-hbase-client-3.4.2.jar": False,
    "mapreduce/hadoop-mapreduce-client-app-3.4.2.jar": True,
    "tools/lib/hadoop-streaming-3.4.2.jar": True,
    "tools/lib/bundle-2.29.52.jar": False,
    "client/hadoop-client-api-3.4.2.jar": False,
}


@pytest.fixture
def jars(library: Callable[[str], ModuleType]) -> Any:
    return library("hadoop_jars")


@pytest.fixture
def tarball(tmp_path: Path) -> Path:
    """Write a small tarball in the layout of Apache's."""
    path = tmp_path / "hadoop-3.4.2.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for member in MEMBERS:
            info = tarfile.TarInfo(f"hadoop-3.4.2/share/hadoop/{member}")
            info.size = len(member)
            archive.addfile(info, io.BytesIO(member.encode()))
    return path


def sha512(path: Path) -> str:
    return hashlib.sha512(path.read_bytes()).hexdigest()


def arguments(cache: Path, tarball: Path, digest: str) -> dict[str, Any]:
    return {
        **{"name": "hadoop", "key_jar": "hadoop-streaming"},
        **{"cache": str(cache), "version": "3.4.2", "pom": "<project/>"},
        **{"tarball": str(tarball), "sha512": digest, "renamed": {}, "apart": {}},
    }


def test_tarball_gives_the_jars_of_the_class_path_and_no_others(
    jars: Any, tarball: Path, tmp_path: Path
) -> None:
    args = arguments(tmp_path / "cache", tarball, sha512(tarball).upper())
    home = jars.home_of(args)
    home.parent.mkdir()

    jars.make(home, args)

    wanted = {Path(member).name for member, is_wanted in MEMBERS.items() if is_wanted}
    assert {path.name for path in (home / "lib").iterdir()} == wanted
    assert [path.name for path in home.parent.iterdir()] == [home.name]


def test_index_jar_names_every_jar_in_lines_of_72_bytes(
    jars: Any, tarball: Path, tmp_path: Path
) -> None:
    args = arguments(tmp_path / "cache", tarball, sha512(tarball))
    home = jars.home_of(args)
    home.parent.mkdir()
    jars.make(home, args)

    manifest = zipfile.ZipFile(home / "hadoop.jar").read("META-INF/MANIFEST.MF").decode()

    assert max(len(line) for line in manifest.split("\r\n")) <= 72
    class_path = manifest.replace("\r\n ", "").split("Class-Path: ")[1].split()
    assert sorted(class_path) == sorted(f"lib/{path.name}" for path in (home / "lib").iterdir())


def test_wrong_checksum_is_refused_and_leaves_nothing(
    jars: Any, tarball: Path, tmp_path: Path
) -> None:
    args = arguments(tmp_path / "cache", tarball, "0" * 128)
    home = jars.home_of(args)
    home.parent.mkdir()

    with pytest.raises(jars.Failure, match=r"has sha512 .* refused"):
        jars.make(home, args)
    assert list(home.parent.iterdir()) == []


def test_missing_tarball_is_named(jars: Any, tmp_path: Path) -> None:
    with pytest.raises(jars.Failure, match=r"gone\.tar\.gz does not exist"):
        jars.make(tmp_path / "home", arguments(tmp_path, tmp_path / "gone.tar.gz", "0" * 128))


def test_missing_maven_is_named(jars: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(jars.Failure, match=r"Maven is missing .* install it"):
        jars.resolve("<project/>", tmp_path, "hive")


def test_maven_error_is_one_sentence(
    jars: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    maven = tmp_path / "mvn"
    maven.write_text("#!/bin/sh\necho '[INFO] a'\necho '[ERROR] no such artifact'\nexit 1\n")
    maven.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    with pytest.raises(jars.Failure, match=r"could not resolve Hive's jars: no such artifact$"):
        jars.resolve("<project/>", tmp_path, "hive")


def test_another_pom_or_tarball_is_another_distribution(jars: Any, tmp_path: Path) -> None:
    by_maven = {**arguments(tmp_path, tmp_path, ""), "tarball": ""}
    other_pom = {**by_maven, "pom": "<project>2</project>"}
    other_name = {**by_maven, "name": "hive"}
    by_tarball = arguments(tmp_path, tmp_path, "ab" * 64)

    renamed = {**by_maven, "renamed": {"a/Old": "a/New"}}
    apart = {**by_maven, "apart": {"last": ["old"]}}

    every = (by_maven, other_pom, other_name, by_tarball, renamed, apart)
    assert len({jars.home_of(args) for args in every}) == 6


def test_distribution_without_its_key_jar_is_refused(
    jars: Any, tarball: Path, tmp_path: Path
) -> None:
    args = {**arguments(tmp_path / "cache", tarball, sha512(tarball)), "key_jar": "hive-exec"}
    home = jars.home_of(args)
    home.parent.mkdir()

    with pytest.raises(jars.Failure, match="no hive-exec jar"):
        jars.make(home, args)
    assert list(home.parent.iterdir()) == []


def test_version_of_a_distribution_is_its_key_jars(
    jars: Any, tarball: Path, tmp_path: Path
) -> None:
    args = arguments(tmp_path / "cache", tarball, sha512(tarball))
    home = jars.home_of(args)
    home.parent.mkdir()
    jars.make(home, args)

    found = jars.describe(home, "hadoop-streaming")

    assert found["version"] == "3.4.2"
    assert found["key_jar"] == str(home / "lib" / "hadoop-streaming-3.4.2.jar")


@pytest.fixture
def maven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Maven find two jars, one of which has a class that knows java/util/Map$Entry."""
    found = tmp_path / "found"
    found.mkdir()
    for name in ("core-1.jar", "old-2.jar"):
        with zipfile.ZipFile(found / name, "w") as jar:
            jar.writestr("a/User.class", class_file("java/util/Map$Entry"))
            jar.writestr("a/Other.class", class_file("java/util/Map"))
    program = tmp_path / "mvn"
    program.write_text(
        '#!/bin/sh\nfor a in "$@"; do case $a in\n'
        f'-DoutputDirectory=*) cp {found}/* "${{a#*=}}" ;; esac; done\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")


def class_file(name: str) -> bytes:
    """Write the beginning of a class file: three constants, of which one takes two places."""
    text = name.encode()
    constants = b"\x05" + bytes(8) + b"\x01" + struct.pack(">H", len(text)) + text + b"\x07\0\x03"
    return b"\xca\xfe\xba\xbe\0\0\0\x34\0\x05" + constants + b"rest"


@pytest.mark.usefixtures("maven")
def test_classes_that_know_an_old_name_come_first_with_the_new_one(
    jars: Any, tmp_path: Path
) -> None:
    args = {
        **arguments(tmp_path / "cache", tmp_path, ""),
        **{"tarball": "", "name": "mine", "key_jar": "core", "apart": {"last": ["old"]}},
        "renamed": {"java/util/Map$Entry": "java/util/Pair"},
    }
    home = jars.home_of(args)
    home.parent.mkdir()

    jars.make(home, args)

    with zipfile.ZipFile(home / "lib" / "0-renamed.jar") as jar:
        assert {name: jar.read(name) for name in jar.namelist()} == {
            "a/User.class": class_file("java/util/Pair")
        }
    manifest = zipfile.ZipFile(home / "mine.jar").read("META-INF/MANIFEST.MF").decode()
    assert manifest.split()[-2:] == ["lib/0-renamed.jar", "lib/core-1.jar"]
    assert [path.name for path in (home / "last").iterdir()] == ["old-2.jar"]


@pytest.mark.usefixtures("maven")
def test_old_name_that_no_class_knows_is_refused(jars: Any, tmp_path: Path) -> None:
    args = {**arguments(tmp_path / "cache", tmp_path, ""), "tarball": "", "key_jar": "core"}
    home = jars.home_of(args)
    home.parent.mkdir()

    with pytest.raises(jars.Failure, match=r"no class of .* knows a/Old"):
        jars.make(home, {**args, "renamed": {"a/Old": "a/New"}})


def test_file_that_is_no_class_is_not_renamed(shared: Callable[[str], ModuleType]) -> None:
    names = shared("class_names")

    with pytest.raises(ValueError, match="not a Java class file"):
        names.rename(b"PK\x03\x04", {"a": "b"})
    with pytest.raises(ValueError, match="unknown kind 99"):
        names.rename(class_file("a")[:10] + b"\x63" * 20, {"a": "b"})

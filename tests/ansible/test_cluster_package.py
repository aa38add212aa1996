"""The package of distributions: packed once, taken whole and checked, or not at all."""

from __future__ import annotations

import io
import tarfile
import threading
from pathlib import Path
from typing import Any

import pytest

PACKAGE = "cluster_package"


def made(tmp_path: Path) -> Path:
    source = tmp_path / "hadoop-3-abc"
    (source / "lib").mkdir(parents=True)
    (source / "lib" / "a.jar").write_bytes(b"jar" * 1000)
    (source / "hadoop.jar").write_bytes(b"index")
    (source / "java-here.jsa").write_bytes(b"of this machine's path")
    (source / "java-hosts.jsa").write_bytes(b"of the hosts' path")
    return source


def pack(module: Any, tmp_path: Path, source: Path) -> dict[str, Any]:
    args = {"directory": tmp_path / "packages", "sources": [source], "archives": ["java-hosts.jsa"]}
    found: dict[str, Any] = module.pack(args)
    return found


def offered(module: Any, tar: Path, downloads: int) -> tuple[str, threading.Thread]:
    server = module.Server(("127.0.0.1", 0), tar.open("rb"), "/secret", downloads)
    thread = threading.Thread(target=server.offer)
    thread.start()
    return f"http://127.0.0.1:{server.server_address[1]}/secret", thread


def unpack(module: Any, root: Path, url: str, package: dict[str, Any]) -> None:
    (root / "tmp").mkdir(parents=True, exist_ok=True)
    module.unpack({"directory": root, "url": url, **package})


@pytest.fixture
def module(library: Any) -> Any:
    return library(PACKAGE)


def test_package_arrives_whole_and_only_once(module: Any, tmp_path: Path) -> None:
    package = pack(module, tmp_path, made(tmp_path))
    url, thread = offered(module, Path(package["path"]), 1)
    host = tmp_path / "host"

    unpack(module, host, url, package)

    thread.join(10)
    assert not thread.is_alive(), "the offer ends when all have it"
    root = host / "dist" / "hadoop-3-abc"
    assert (root / "lib" / "a.jar").read_bytes() == b"jar" * 1000
    assert sorted(path.name for path in root.iterdir()) == ["hadoop.jar", "java-hosts.jsa", "lib"]
    assert module.look({"directory": host, "digest": package["digest"]})["present"]
    assert not module.look({"directory": host, "digest": "other"})["present"]
    assert list((host / "tmp").iterdir()) == []


def test_class_archive_that_comes_later_is_no_other_package(module: Any, tmp_path: Path) -> None:
    source = made(tmp_path)
    with_archive = pack(module, tmp_path, source)
    (source / "java-hosts.jsa").unlink()

    assert pack(module, tmp_path, source)["digest"] == with_archive["digest"]


def test_package_with_another_checksum_is_refused(module: Any, tmp_path: Path) -> None:
    package = pack(module, tmp_path, made(tmp_path))
    url, thread = offered(module, Path(package["path"]), 1)

    with pytest.raises(module.Failure, match=r"has sha256 .*, not 0000"):
        unpack(module, tmp_path / "host", url, {**package, "sha256": "0" * 64})

    thread.join(10)
    assert not (tmp_path / "host" / "dist" / "hadoop-3-abc").exists()


def test_who_does_not_know_the_path_gets_nothing(module: Any, tmp_path: Path) -> None:
    package = pack(module, tmp_path, made(tmp_path))
    url, thread = offered(module, Path(package["path"]), 1)

    with pytest.raises(module.Failure, match="does not give it: HTTP Error 404"):
        unpack(module, tmp_path / "host", url.replace("secret", "guess"), package)

    unpack(module, tmp_path / "host", url, package)
    thread.join(10)


@pytest.mark.parametrize("name", ["../out", "/etc/out", "a/../../out"])
def test_member_outside_is_refused(module: Any, tmp_path: Path, name: str) -> None:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        tar.addfile(tarfile.TarInfo(name), io.BytesIO())
    content.seek(0)

    with tarfile.open(fileobj=content) as tar, pytest.raises(module.Failure, match="no file in it"):
        list(module.checked(tar))

"""A directory is used or deleted only when it is sure to be the cluster's."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

Load = Callable[[str], ModuleType]


@pytest.fixture
def guard(shared: Load) -> Any:
    return shared("cluster_directory")


def write_mark(place: Path, **facts: str) -> Path:
    place.mkdir(parents=True, exist_ok=True)
    mark = {"id": "one-1", "name": "one", "dir": str(place), **facts}
    (place / ".cluster.json").write_text(json.dumps(mark))
    return place


@pytest.mark.parametrize(
    ("directory", "reason"),
    [
        ("relative/path", "not an absolute path"),
        ("/srv/../etc/cluster", "not an absolute path"),
        ("/srv", "too near to /"),
        ("/", "too near to /"),
        ("/srv/my cluster", "holds ' '"),
        ("/srv/a:b", "holds ':'"),
        ("/srv/a$b", "holds '\\$'"),
    ],
)
def test_path_that_cannot_be_a_cluster_directory_is_refused(
    guard: Any, directory: str, reason: str
) -> None:
    with pytest.raises(guard.Refusal, match=reason):
        guard.check_path(directory, [])


def test_path_through_a_symbolic_link_is_refused(guard: Any, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")

    for path in (tmp_path / "link", tmp_path / "link" / "deeper"):
        with pytest.raises(guard.Refusal, match="symbolic link"):
            guard.check_path(str(path), [])


def test_protected_place_and_what_holds_it_are_refused(guard: Any, tmp_path: Path) -> None:
    home = tmp_path / "home" / "me"
    home.mkdir(parents=True)

    for path in (home, home.parent):
        with pytest.raises(guard.Refusal, match="must stay"):
            guard.check_path(str(path), [str(home)])
    guard.check_path(str(home / "cluster"), [str(home)])


def test_mount_point_is_refused(guard: Any) -> None:
    with pytest.raises(guard.Refusal, match="mount point"):
        guard.check_path("/dev/shm", [])  # noqa: S108


def test_plain_file_is_refused(guard: Any, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(guard.Refusal, match="not a directory"):
        guard.check_path(str(tmp_path / "file"), [])


def test_directory_of_another_user_is_refused(
    guard: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard.os, "getuid", lambda: tmp_path.stat().st_uid + 1)

    with pytest.raises(guard.Refusal, match="not to you"):
        guard.check_path(str(tmp_path), [])


def test_empty_or_missing_directory_is_free(guard: Any, tmp_path: Path) -> None:
    assert guard.check_ours(str(tmp_path), "one", "") is None
    assert guard.check_ours(str(tmp_path / "new"), "one", "") is None


def test_directory_with_files_and_no_mark_is_refused(guard: Any, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()

    with pytest.raises(guard.Refusal, match=r"not empty and has no \.cluster\.json"):
        guard.check_ours(str(tmp_path), "one", "")


def test_own_mark_is_accepted(guard: Any, tmp_path: Path) -> None:
    place = write_mark(tmp_path / "one")

    assert guard.check_ours(str(place), "one", "one-1")["id"] == "one-1"
    assert guard.check_ours(str(place), "one", "")["id"] == "one-1"


@pytest.mark.parametrize(("name", "cluster_id"), [("two", ""), ("one", "one-2")])
def test_mark_of_another_cluster_is_refused(
    guard: Any, tmp_path: Path, name: str, cluster_id: str
) -> None:
    place = write_mark(tmp_path / "one")

    with pytest.raises(guard.Refusal, match="belongs to the cluster"):
        guard.check_ours(str(place), name, cluster_id)


def test_copied_mark_is_refused(guard: Any, tmp_path: Path) -> None:
    place = write_mark(tmp_path / "copy", dir=str(tmp_path / "original"))

    with pytest.raises(guard.Refusal, match="copied or moved"):
        guard.read_mark(str(place))


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"id": "", "name": "a", "dir": "/a/b"}'])
def test_damaged_mark_is_refused(guard: Any, tmp_path: Path, text: str) -> None:
    (tmp_path / ".cluster.json").write_text(text)

    with pytest.raises(guard.Refusal, match=r"mark"):
        guard.read_mark(str(tmp_path))

"""Files of a folder: in an order and with names that stay."""

from __future__ import annotations

import os
from pathlib import Path

from pipeline.layouts import RawSource, folder_files


def _source(root: Path, *names: str, frames: bool = False) -> RawSource:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return RawSource("train", "n01", root, 0, -1, "folder", frames=frames)


def _names(source: RawSource) -> list[str]:
    return [name for name, _, _ in folder_files(source)]


def test_files_come_sorted_with_their_sizes(tmp_path: Path) -> None:
    source = _source(tmp_path, "b.JPEG", "a.JPEG", "10.JPEG")

    assert list(folder_files(source)) == [
        ("10.JPEG", tmp_path / "10.JPEG", 7),
        ("a.JPEG", tmp_path / "a.JPEG", 6),
        ("b.JPEG", tmp_path / "b.JPEG", 6),
    ]


def test_files_of_one_name_in_folders_inside_are_told_apart(tmp_path: Path) -> None:
    source = _source(tmp_path, "more/a.JPEG", "a.JPEG", "more/b.JPEG", "x/y/a.JPEG")

    assert _names(source) == ["a.JPEG", "more__a.JPEG", "b.JPEG", "x__y__a.JPEG"]


def test_no_choice_of_names_makes_two_files_one(tmp_path: Path) -> None:
    source = _source(tmp_path, "c", "b__c", "a__b__c", "a/b__c", "a__b/c", "a/b/c", "b/c")

    names = _names(source)

    assert len(set(names)) == len(names) == 7


def test_frames_take_their_videos_name(tmp_path: Path) -> None:
    source = _source(tmp_path / "snippet_7", "000001.JPEG", "000000.JPEG", frames=True)

    assert _names(source) == ["snippet_7__000000.JPEG", "snippet_7__000001.JPEG"]


def test_hidden_files_links_and_pipes_are_refused(tmp_path: Path) -> None:
    source = _source(tmp_path, "a.JPEG", ".hidden.JPEG", "._a.JPEG", ".git/b.JPEG")
    (tmp_path / "link.JPEG").symlink_to("/etc/passwd")
    (tmp_path / "folder").symlink_to("/etc")
    os.mkfifo(tmp_path / "pipe.JPEG")
    refused: list[tuple[str, str]] = []

    names = [name for name, _, _ in folder_files(source, lambda *told: refused.append(told))]

    assert names == ["a.JPEG"]
    hidden = [("._a.JPEG", "side_file"), (".hidden.JPEG", "side_file")]
    odd = [("folder", "link"), ("link.JPEG", "link"), ("pipe.JPEG", "not_a_file")]
    assert refused == hidden + odd

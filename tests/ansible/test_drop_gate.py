"""The gate before Flume lets in whole, regular files under decent names, and nothing else."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / "ansible/roles/flume/files/drop_gate.py"
MAX_BYTES = 100


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("drop_gate", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


drop_gate = _load()


class Place:
    """A gate with its folders, and a clock."""

    def __init__(self, root: Path) -> None:
        self.drop, self.spool = root / "drop", root / "spool"
        self.drop.mkdir()
        self.spool.mkdir()
        self.now_s = 0.0
        self.gate: Any = drop_gate.Gate(self.drop, self.spool, MAX_BYTES, settle_s=2.0)

    def put(self, name: str | bytes, content: bytes = b"image") -> Path:
        path = self.drop / os.fsdecode(name)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        return path

    def look(self, *, after_s: float = 0.0) -> None:
        self.now_s += after_s
        self.gate.look(self.now_s)

    def settle(self) -> None:
        self.look()
        self.look(after_s=2.0)

    def let_in(self) -> dict[str, bytes]:
        files = [path for path in self.spool.rglob("*") if path.is_file()]
        return {str(path.relative_to(self.spool)): path.read_bytes() for path in files}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_file_that_does_not_change_is_let_in_under_its_class(place: Place) -> None:
    place.put("n01440764/a.JPEG", b"one")
    place.put("n01440764_7.JPEG", b"two")
    place.put("holiday.JPEG", b"three")

    place.settle()

    assert place.let_in() == {
        "n01440764/a.JPEG": b"one",
        "n01440764/n01440764_7.JPEG": b"two",
        "unlabelled/holiday.JPEG": b"three",
    }
    assert place.gate.state()["taken"] == 3


def test_file_that_grows_is_waited_for(place: Place) -> None:
    path = place.put("n01/a.JPEG", b"ha")
    place.look()
    place.look(after_s=1.9)
    path.write_bytes(b"half")
    place.look(after_s=1.9)
    assert (place.let_in(), place.gate.waiting) == ({}, 1)

    place.look(after_s=2.0)

    assert place.let_in() == {"n01/a.JPEG": b"half"}


def test_file_that_somebody_has_open_for_writing_is_waited_for(place: Place) -> None:
    path = place.put("n01/a.JPEG")
    with path.open("ab") as writer:
        place.settle()
        assert (place.let_in(), place.gate.waiting) == ({}, 1)
        writer.write(b", whole")

    place.settle()

    assert place.let_in() == {"n01/a.JPEG": b"image, whole"}


@pytest.mark.parametrize("name", [".a.JPEG", "a.JPEG.part", "a.JPEG.tmp", "a.crdownload", "a~"])
def test_file_on_the_way_is_left_alone(place: Place, name: str) -> None:
    place.put(f"n01/{name}")
    place.put(name)

    place.settle()

    assert place.let_in() == {}
    assert (place.gate.waiting, place.gate.refused) == (0, {})


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("n01/a\nb.JPEG", b"x", "name"),
        ("n01/\x1b[2J.JPEG", b"x", "name"),
        (b"n01/bad\xff.JPEG", b"x", "name"),
        ("n01/" + "é" * 101, b"x", "name"),
        ("n01/a.COMPLETED", b"x", "name"),
        ("n01/a.JPEG", b"", "empty"),
        ("n01/a.JPEG", bytes(MAX_BYTES + 1), "too_large"),
    ],
)
def test_file_that_is_not_fit_stays_and_is_told(
    place: Place, name: str | bytes, content: bytes, reason: str
) -> None:
    path = place.put(name, content)

    place.settle()

    assert place.let_in() == {}
    assert path.exists()
    assert place.gate.state()["refused"] == {reason: 1}
    json.dumps(place.gate.state()).encode()  # whatever the name


@pytest.mark.parametrize("name", ["a b%{host}$(x);'.JPEG", "namé_猫.JPEG", "-rf", "a" * 200])
def test_name_that_is_only_odd_is_kept(place: Place, name: str) -> None:
    place.put(f"n01/{name}")

    place.settle()

    assert place.let_in() == {f"n01/{name}": b"image"}


def test_links_and_pipes_stay(place: Place, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("not for Flume")
    (place.drop / "a.JPEG").symlink_to(secret)
    (place.drop / "n02").symlink_to(tmp_path)
    os.mkfifo(place.drop / "b.JPEG")

    place.settle()

    assert place.let_in() == {}
    assert place.gate.state()["refused"] == {"link": 2, "not_a_file": 1}


def test_folders_in_class_folders_and_hostile_class_names_stay(place: Place) -> None:
    (place.drop / "n01" / "deep").mkdir(parents=True)
    place.put(b"bad\xff/a.JPEG")

    place.settle()

    assert place.let_in() == {}
    assert place.gate.state()["refused"] == {"folder_in_folder": 1, "folder_name": 1}


def test_second_file_of_a_name_waits_until_the_first_is_gone(place: Place) -> None:
    place.put("n01/a.JPEG", b"one")
    place.settle()
    place.put("n01/a.JPEG", b"two")
    place.settle()
    assert place.let_in() == {"n01/a.JPEG": b"one"}

    (place.spool / "n01" / "a.JPEG").unlink()  # Flume has it
    place.look(after_s=2.0)

    assert place.let_in() == {"n01/a.JPEG": b"two"}


def test_no_more_files_are_let_in_than_flume_lists_fast(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drop_gate, "MOST_WAITING", 2)
    for number in range(3):
        place.put(f"n01/{number}.JPEG")

    place.settle()

    assert len(place.let_in()) == 2
    assert place.gate.waiting == 1


def test_file_that_is_swapped_for_a_link_at_the_last_moment_stays(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = place.put("n01/a.JPEG")

    def swap(_: Path) -> bool:
        path.unlink()
        path.symlink_to("/etc/hostname")
        return False

    monkeypatch.setattr(drop_gate, "is_written", swap)

    place.settle()

    assert place.let_in() == {}
    assert path.is_symlink()


def test_file_comes_from_another_file_system_too(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = place.put("n01/a.JPEG")
    rename = Path.rename

    def refuse(self: Path, target: Path) -> Path:
        if self == path:
            raise OSError(drop_gate.errno.EXDEV, "Invalid cross-device link")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse)

    place.settle()

    assert place.let_in() == {"n01/a.JPEG": b"image"}
    assert not path.exists()


def test_what_a_killed_gate_had_moved_already_is_let_in(place: Place) -> None:
    moved = place.spool / drop_gate.INCOMING / "n01" / "a.JPEG"
    moved.parent.mkdir(parents=True)
    moved.write_bytes(b"one")
    place.put("n01/a.JPEG", b"two")

    place.settle()

    assert place.let_in() == {"n01/a.JPEG": b"one"}
    assert (place.drop / "n01" / "a.JPEG").read_bytes() == b"two"


def test_the_program_watches_until_it_is_told_to_end(tmp_path: Path) -> None:
    place, state = Place(tmp_path), tmp_path / "state.json"
    place.put("n01/a.JPEG")
    args: list[str | Path] = ["--drop", place.drop, "--spool", place.spool, "--state", state]
    gate = subprocess.Popen(
        [sys.executable, SCRIPT, "-Dcluster.id=x", *args, "--settle-s", "0.1", "--max-bytes", "99"]
    )
    try:
        deadline = time.monotonic() + 20
        while not (state.exists() and json.loads(state.read_text())["taken"]):
            assert time.monotonic() < deadline
            assert gate.poll() is None
    finally:
        gate.send_signal(signal.SIGTERM)
    assert gate.wait(10) == 0
    assert place.let_in() == {"n01/a.JPEG": b"image"}

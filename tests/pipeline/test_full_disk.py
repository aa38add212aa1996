from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline import images, runs, save_step


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system of 400 kB."""
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False).returncode != 0:
        pytest.skip("needs the right to mount a small file system")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_is_named_and_the_run_goes_on_when_there_is_room(
    cli: Any, folder_data: Any, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = folder_data(n_images=40)
    monkeypatch.setattr(runs, "RUNS", small_disk / "runs")
    monkeypatch.setattr(images, "LOCAL", small_disk / "images")

    full = cli("full", "--data", data, "--runner", "inline", "--run-id", "r1")
    subprocess.run(["mount", "-o", "remount,size=50m", str(small_disk)], check=True)
    again = cli("full", "--run-id", "r1")

    assert full.code == 2, full.err
    assert "Traceback" not in full.err
    assert "the disk is full" in full.err.splitlines()[-1]
    assert "--run-id" in full.err.splitlines()[-1]
    assert again.code == 0, again.err


def test_a_disk_that_gets_full_while_saving_leaves_no_half_model(
    cli: Any, folder_data: Any, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(save_step, "SAVED", small_disk / "saved")
    (small_disk / "filler").write_bytes(bytes(380_000))

    full = cli("full", "--data", folder_data(), "--runner", "inline", "--run-id", "r1")
    saved = list((small_disk / "saved").glob("r1*"))
    (small_disk / "filler").unlink()
    subprocess.run(["mount", "-o", "remount,size=50m", str(small_disk)], check=True)
    again = cli("full", "--run-id", "r1", "--json")

    assert full.code == 5, full.err
    assert "(No space left on device); free space" in full.err.splitlines()[-1]
    assert saved == []
    assert again.code == 0, again.err
    assert "train: already done" in again.err
    assert Path(again.json()["run_dir"], "manifest.json").is_file()

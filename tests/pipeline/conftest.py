"""Small data sets, and the command line as a function."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from pipeline import cluster, commands, images, runs, save_step
from tests.places import keep_deployments_in

SMALL_FEATURES = """
[features]
features = ["hog", "hsv_pyramid"]
image_px = 48

[features.hsv_pyramid]
grids = [1]
"""


@pytest.fixture
def folder_data(tmp_path: Path) -> Callable[..., Path]:
    """Write one folder per class, of coloured noise that is easy to tell apart."""

    def make(n_classes: int = 3, n_images: int = 12, name: str = "data") -> Path:
        root = tmp_path / name
        for number in range(n_classes):
            folder = root / f"n{number:08}"
            folder.mkdir(parents=True)
            for index in range(n_images):
                rng = np.random.default_rng([number, index])
                image = rng.integers(0, 60, (40, 50, 3), np.uint8)
                image[..., number % 3] += np.uint8(120)
                (folder / f"{folder.name}_{index}.JPEG").write_bytes(
                    cv2.imencode(".jpg", image)[1].tobytes()
                )
        return root

    return make


@pytest.fixture
def own_var(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep runs and saved models of a test in its own directory, with a model fitted fast."""
    var = tmp_path / "var"
    monkeypatch.setattr(runs, "RUNS", var / "runs")
    monkeypatch.setattr(images, "LOCAL", var / "images")
    monkeypatch.setattr(images, "CACHE", var / "cache")
    monkeypatch.setattr(cluster, "LOCKS_DIR", var / "locks")
    monkeypatch.setattr(images, "VAR", var)
    monkeypatch.setattr(save_step, "SAVED", var / "saved")
    monkeypatch.setattr(commands, "SAMPLE", var / "sample")
    small = tmp_path / "small.toml"
    small.write_text(SMALL_FEATURES)
    monkeypatch.setattr(commands, "CONFIG_FILE", small)
    return var


@pytest.fixture
def cli(own_var: Path, capfd: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    """Run a command in this process."""
    from pipeline.__main__ import main

    def run(*args: str | Path) -> Answer:
        capfd.readouterr()
        code = main([str(arg) for arg in args])
        out, err = capfd.readouterr()
        return Answer(code, out, err)

    return run


class Answer:
    """Exit code, standard output and standard error of a command."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code = code
        self.out = out
        self.err = err

    def json(self) -> dict[str, Any]:
        """Read the result of `--json`."""
        result: dict[str, Any] = json.loads(self.out)
        return result


@pytest.fixture
def cluster_var(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep receipts, locks and logs of deployments in the test's own directory."""
    var = tmp_path / "var"
    keep_deployments_in(var, monkeypatch)
    return var

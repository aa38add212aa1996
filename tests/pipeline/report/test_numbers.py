"""Every number of the evaluation on the page is what predictions.tsv comes to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.pipeline.report.reading_pages import Page
from tests.pipeline.report.recomputed import expected_numbers, rows_of

# what predictions.tsv does not tell: the run's own counts, settings, and seconds
ELSEWHERE = (
    *("counts/", "model/", "quarantined/", "selection/", "step/", "hierarchical_cost/"),
    *("by_image_size/", "by_box_size/"),
)
OTHERS = {"seconds", "n_classes", "calibration/temperature", "calibration/negative_log_likelihood"}


def numbers_of(page: Page) -> dict[str, float]:
    return {
        name: value
        for name, value in page.numbers.items()
        if not name.startswith(ELSEWHERE)
        and name not in OTHERS
        and not name.endswith(("/train", "/test", "/leaked"))
    }


def bins_of(run_dir: Path) -> list[tuple[float, float]]:
    calibration = json.loads((run_dir / "metrics.json").read_text())["calibration"]
    return [(each["low"], each["high"]) for each in calibration["bins"]] if calibration else []


def assert_all_recomputed(page: Page, run_dir: Path, *, n_confused: int = 10) -> None:
    expected = expected_numbers(rows_of(run_dir), bins_of(run_dir))
    found = numbers_of(page)
    confused = {name: n for name, n in expected.items() if name.startswith("confused/")}
    most = sorted(confused.values(), reverse=True)[:n_confused]
    shown = {name: n for name, n in found.items() if name.startswith("confused/")}
    assert sorted(shown.values(), reverse=True) == most  # of equals any may be shown
    assert shown.items() <= confused.items()
    assert page.twice == set()
    for name in confused:
        expected.pop(name)
        found.pop(name, None)
    assert set(found) == set(expected)
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-6)  # a score has six digits


def test_every_number_of_the_evaluation_is_recomputed_from_the_predictions(
    page: Page, run_dir: Path
) -> None:
    assert page.numbers["n_top1_errors"] > 50
    assert_all_recomputed(page, run_dir)


def test_the_counts_of_the_run_are_those_of_its_metrics(page: Page, run_dir: Path) -> None:
    metrics = json.loads((run_dir / "metrics.json").read_text())

    counts = metrics["counts"]
    for name in ("images", "kept", "train", "val", "leaked", "duplicates", "leaks", "bytes"):
        assert page.numbers[f"counts/{name}"] == counts[name]
    assert page.numbers["counts/quarantined"] == 10
    assert page.numbers["quarantined/undecodable"] == 6
    assert page.numbers["step/train/seconds"] == 7.25
    assert page.numbers["seconds"] == 8.75
    assert page.numbers["selection/1/top1_error"] == 0.4


def test_the_page_of_a_real_run_is_recomputed_too(cli: Any, tmp_path: Path) -> None:
    answer = cli("full", "--data", _hard_data(tmp_path / "hard"), "--runner", "inline", "--json")

    assert answer.code == 0, answer.err
    run_dir = Path(answer.json()["run_dir"])
    page = Page((run_dir / "report.html").read_text("utf-8"))
    assert page.numbers["n_top1_errors"] > 0
    assert_all_recomputed(page, run_dir)
    manifest = json.loads((run_dir / "manifest.json").read_text())
    assert {"report.html", "report_images.json"} <= set(manifest["files"])


def _hard_data(root: Path) -> Path:
    """Write three classes of colours, a third of the images in the colour of another."""
    for number in range(3):
        folder = root / f"n{number:08}"
        folder.mkdir(parents=True)
        for index in range(40):
            rng = np.random.default_rng([number, index])
            image = rng.integers(0, 60, (40, 50, 3), np.uint8)
            colour = number if index % 3 else int(rng.integers(3))
            image[..., colour] += np.uint8(120)
            name = f"{folder.name}_{index}.JPEG"
            (folder / name).write_bytes(cv2.imencode(".jpg", image)[1].tobytes())
    return root

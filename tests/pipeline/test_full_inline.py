"""`bin/pipeline full` without a cluster, as its user sees it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from mr_jobs.lib.errors import JobError
from mr_jobs.mr_extract_features import MRExtractFeatures


def test_full_ends_with_the_errors_and_the_path_of_the_run(cli: Any, folder_data: Any) -> None:
    answer = cli("full", "--data", folder_data(), "--runner", "inline")

    assert answer.code == 0, answer.err
    assert "top-1 error  0.0%" in answer.out
    assert "36 = 36 kept + 0 quarantined" in answer.out
    run_dir = Path(answer.out.split("run          ")[1].splitlines()[0])
    names = {path.name for path in run_dir.iterdir()}
    assert {
        "model.joblib",
        "metrics.json",
        "predictions.tsv",
        "report.html",
        "manifest.json",
    } < names


def test_json_has_the_keys_of_metrics_json(cli: Any, folder_data: Any) -> None:
    answer = cli("full", "--data", folder_data(), "--runner", "inline", "--json")

    result = answer.json()
    metrics = json.loads((Path(result["run_dir"]) / "metrics.json").read_text())
    assert set(metrics) <= set(result)
    assert result["top1_error"] == 0.0
    assert result["counts"]["images"] == 36
    assert {"ingest", "bundle", "catalog", "features", "split", "train", "evaluate"} <= {
        step["name"] for step in result["steps"]
    }


def test_bad_images_are_quarantined_with_a_reason_and_the_run_goes_on(
    cli: Any, folder_data: Any, own_var: Path
) -> None:
    data = folder_data()
    (data / "n00000000" / "zero.JPEG").write_bytes(b"")
    (data / "n00000001" / "page.JPEG").write_bytes(b"<html>")
    (data / "n00000001" / ".DS_Store").write_bytes(b"x")

    result = cli("full", "--data", data, "--runner", "inline", "--json").json()

    assert result["counts"]["images"] == 38
    assert result["counts"]["kept"] == 36
    assert result["counts"]["quarantined"] == {"empty": 1, "not_an_image": 1}
    listed = (own_var / "runs" / result["run_id"] / "quarantine.tsv").read_text()
    assert "zero" in listed
    assert "page" in listed


def test_another_run_of_the_same_data_predicts_the_same(cli: Any, folder_data: Any) -> None:
    data = folder_data()

    first = cli("full", "--data", data, "--runner", "inline", "--json").json()
    again = cli("full", "--data", data, "--runner", "local", "--json").json()

    predictions = [Path(r["run_dir"]) / "predictions.tsv" for r in (first, again)]
    assert predictions[0].read_bytes() == predictions[1].read_bytes()


def test_a_failed_run_goes_on_where_it_stopped(
    cli: Any, folder_data: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = folder_data()
    with monkeypatch.context() as patch:
        patch.setattr(MRExtractFeatures, "mapper", _fails)
        failed = cli("full", "--data", data, "--runner", "inline", "--run-id", "r1")

    again = cli("full", "--run-id", "r1")

    assert failed.code == JobError.exit_code
    assert "the disk is on fire" in failed.err
    assert again.code == 0, again.err
    assert "bundle: already done" in again.err
    assert "features: already done" not in again.err


def _fails(*_: object) -> None:
    raise OSError("the disk is on fire")


def test_lost_records_fail_the_run_loudly(
    cli: Any, folder_data: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = MRExtractFeatures.mapper

    def loses_one(self: Any, key: str, encoded: bytes) -> Any:
        return iter(()) if key.endswith("_3.JPEG") else whole(self, key, encoded)

    monkeypatch.setattr(MRExtractFeatures, "mapper", loses_one)

    answer = cli("full", "--data", folder_data(), "--runner", "inline")

    assert answer.code == JobError.exit_code
    assert "the counts do not add up: 36 bundled, but 33 featurized + 0 skipped" in answer.err


def test_steps_run_alone_one_after_the_other(cli: Any, folder_data: Any) -> None:
    begun = cli("ingest", "--data", folder_data(), "--runner", "inline", "--run-id", "r1")
    assert begun.code == 0, begun.err

    early = cli("split", "--run-id", "r1")
    assert early.code == 2
    assert "split needs the output of features; run `bin/pipeline features --run-id" in early.err

    steps = ("bundle", "catalog", "codebook", "features", "split")
    for step in (*steps, "train", "evaluate", "index", "save"):
        answer = cli(step, "--run-id", "r1")
        assert answer.code == 0, answer.err


def test_dry_run_lists_the_steps_and_does_nothing(
    cli: Any, folder_data: Any, own_var: Path
) -> None:
    answer = cli("full", "--data", folder_data(), "--dry-run")

    assert [line.split()[0] for line in answer.out.splitlines()] == [
        "run", "deploy", "ingest", "bundle", "catalog", "group", "codebook", "features", "split",
        "train", "evaluate", "index", "save", "destroy",
    ]  # fmt: skip
    assert not own_var.exists()


def test_runs_lists_what_was_run(cli: Any, folder_data: Any) -> None:
    assert "no runs yet" in cli("runs").out

    cli("full", "--data", folder_data(), "--runner", "inline", "--run-id", "mine")

    assert cli("runs").out.startswith("mine  inline  save       top-1 error 0.0%")


def test_predict_names_what_is_on_a_picture_and_what_it_cannot_read(
    cli: Any, folder_data: Any, tmp_path: Path
) -> None:
    data = folder_data()
    cli("full", "--data", data, "--runner", "inline", "--run-id", "mine")
    page = tmp_path / "page.jpg"
    page.write_bytes(b"<html>")

    answer = cli("predict", "mine", data / "n00000002" / "n00000002_0.JPEG", page, "--json")

    right, wrong = answer.json()["predictions"]
    assert right["best"][0][0] == "n00000002"
    assert wrong["error"].startswith("not_an_image")


def test_a_finished_run_is_not_done_again(cli: Any, folder_data: Any) -> None:
    data = folder_data()
    first = cli("full", "--data", data, "--runner", "inline", "--run-id", "r1", "--json").json()

    again = cli("full", "--run-id", "r1", "--json")

    assert "nothing to do" in again.err
    assert again.json() == first


def test_a_finished_run_is_done_again_for_changed_data(cli: Any, folder_data: Any) -> None:
    data = folder_data()
    cli("full", "--data", data, "--runner", "inline", "--run-id", "r1")
    (data / "n00000000" / "n00000000_0.JPEG").unlink()

    again = cli("full", "--run-id", "r1", "--json")

    assert again.json()["counts"]["images"] == 35


def test_images_of_32_px_work_with_a_configuration_of_their_own(cli: Any, tmp_path: Path) -> None:
    data = tmp_path / "small"
    for number in range(3):
        folder = data / f"n{number:08}"
        folder.mkdir(parents=True)
        for index in range(30):
            rng = np.random.default_rng([number, index])
            image = rng.integers(0, 90, (32, 32, 3), np.uint8)
            image[:, :: number + 2] += np.uint8(100)  # stripes, three widths
            encoded = cv2.imencode(".png", image)[1]
            (folder / f"{folder.name}_{index}.png").write_bytes(encoded.tobytes())

    answer = cli("full", "--data", data, "--runner", "inline", "--config", "32px", "--json")

    assert answer.code == 0, answer.err
    result = answer.json()
    assert result["top1_error"] < 0.1
    assert result["model"]["n_features"] > 1000

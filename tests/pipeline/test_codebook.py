"""Codebooks are learned on training images, once, and used by what was asked to use them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mr_jobs.lib.codebooks import Codebooks

LEARNED = """
[features]
features = ["hsv_pyramid", "patches", "fisher"]
image_px = 48

[features.hsv_pyramid]
grids = [1]

[features.patches]
side_px = 24
patch_px = 4
n_centroids = 8
grid = 2

[features.fisher]
cells_px = [6]
n_components = 6
n_gaussians = 3

[codebooks]
samples = 1000
rounds = 2
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "learned.toml"
    path.write_text(LEARNED)
    return path


@pytest.fixture
def run(cli: Any, folder_data: Any, config: Path) -> Any:
    """Do the steps up to one of them, of run r1, and return its last answer."""

    def do(*steps: str, **options: str) -> Any:
        answer = None
        for step in steps:
            answer = cli(step, "--run-id", "r1", "--json", *_given(options))
        return answer

    data = folder_data()
    first = cli("ingest", data, "--run-id", "r1", "--runner", "inline", "--config", config)
    assert first.code == 0, first.err
    return do


def _given(options: dict[str, str]) -> list[str]:
    return [text for name, value in options.items() for text in (f"--{name}", value)]


def work(own_var: Path) -> Path:
    return own_var / "runs" / "r1" / "work"


def test_codebooks_are_learned_and_named_in_the_description_of_the_vectors(
    run: Any, own_var: Path
) -> None:
    answer = run("codebook", "features")

    assert answer.code == 0, answer.err
    books = Codebooks.load(work(own_var) / "codebook" / "codebooks.npz")
    meta = json.loads((work(own_var) / "features" / "_meta.json").read_text())
    assert sorted(books) == ["fisher", "patches"]
    assert meta["codebooks"] == books.digest()
    assert meta["parameters"]["patches"]["n_centroids"] == 8
    assert meta["n_features"] == 128 + 2 * 4 * 8 + 2 * 3 * 8
    assert not (work(own_var) / "codebook" / "descriptors").exists()


def test_each_round_says_what_it_came_to(run: Any) -> None:
    answer = run("codebook")

    objectives = answer.json()["objectives"]
    assert set(objectives) == {"fisher", "patches"}
    assert all(len(values) == 2 for values in objectives.values())
    assert "round 2 of 2" in answer.err


def test_a_second_time_nothing_is_learned(run: Any) -> None:
    run("codebook")

    assert "already done" in run("codebook").err


def test_other_rounds_learn_anew_and_other_words_too(run: Any, config: Path, own_var: Path) -> None:
    digests = [run("codebook").json()["digest"]]
    for old, new in (("rounds = 2", "rounds = 3"), ("n_centroids = 8", "n_centroids = 9")):
        config.write_text(config.read_text().replace(old, new))
        digests.append(run("codebook", config=str(config)).json()["digest"])

    assert len(set(digests)) == 3


def test_features_refuse_codebooks_of_other_parameters(
    run: Any, config: Path, own_var: Path
) -> None:
    run("codebook")
    config.write_text(config.read_text().replace("n_centroids = 8", "n_centroids = 9"))

    answer = run("features", config=str(config))

    assert answer.code == 2
    assert "bin/pipeline codebook" in answer.err


def test_a_codebook_that_was_exchanged_is_refused_by_the_job(
    run: Any, config: Path, own_var: Path
) -> None:
    run("codebook")
    path = work(own_var) / "codebook" / "codebooks.npz"
    books = Codebooks.load(path)
    books.facts["image_px"] = 96
    path.write_bytes(books.to_bytes())

    answer = run("features")

    assert answer.code == 5
    assert "does not match the features" in answer.err


def test_features_without_codebooks_depend_on_no_duplicates(
    cli: Any, folder_data: Any, own_var: Path, tmp_path: Path
) -> None:
    config = tmp_path / "plain.toml"
    config.write_text('[features]\nfeatures = ["lab_pixels"]\n')
    cli("ingest", folder_data(), "--run-id", "r1", "--runner", "inline", "--config", config)
    for step in ("codebook", "features"):
        assert cli(step, "--run-id", "r1").code == 0
    config.write_text(config.read_text() + "[duplicates]\nmax_distance = 2\n")
    cli("group", "--run-id", "r1", "--config", config)

    assert "already done" in cli("features", "--run-id", "r1").err

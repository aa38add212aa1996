"""A pass over little is made without a job, and comes to the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import joblib
import pytest

from mr_jobs.lib.codebooks import Codebooks

CONFIG = """
[features]
features = ["hsv_pyramid", "fisher"]
image_px = 48

[features.fisher]
cells_px = [6]
n_components = 6
n_gaussians = 3

[codebooks]
samples = 1000
rounds = 2

[model]
kind = "{kind}"
"""


@pytest.mark.parametrize("kind", ["lda", "ridge"])
def test_codebooks_and_models_are_the_same_bits_by_jobs_and_here(
    cli: Any, folder_data: Any, own_var: Path, tmp_path: Path, kind: str
) -> None:
    data, made = folder_data(n_images=60), []
    for here_mb in (0, 128):
        config = tmp_path / f"{here_mb}.toml"
        config.write_text(CONFIG.format(kind=kind) + f"[passes]\nhere_mb = {here_mb}\n")
        run_id = f"r{here_mb}"
        steps = ("ingest", "codebook", "features", "split", "train")
        for number, step in enumerate(steps):
            first = (data, "--runner", "inline", "--config", config) if number == 0 else ()
            answer = cli(step, *first, "--run-id", run_id)
            assert answer.code == 0, answer.err
        run_dir = own_var / "runs" / run_id
        books = Codebooks.load(run_dir / "work" / "codebook" / "codebooks.npz")
        made.append((books.digest(), joblib.load(run_dir / "train" / "fit.joblib")))
        assert not list((run_dir / "work").rglob("tries/*/*"))  # nothing of the jobs is left

    (by_jobs, job_fit), (here, here_fit) = made
    assert here == by_jobs
    assert here_fit.hyper_parameters == job_fit.hyper_parameters
    assert here_fit.estimator[-1].coef_.tobytes() == job_fit.estimator[-1].coef_.tobytes()


def test_a_size_that_is_none_is_refused_in_one_sentence(
    cli: Any, folder_data: Any, tmp_path: Path
) -> None:
    config = tmp_path / "bad.toml"
    config.write_text("[passes]\nhere_mb = -1\n")

    answer = cli("ingest", folder_data(), "--runner", "inline", "--config", config)

    assert answer.code != 0
    assert "[passes] here_mb is a whole number of MB from 0, not -1" in answer.err

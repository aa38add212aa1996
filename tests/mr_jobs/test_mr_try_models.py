from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import log_softmax

from mr_jobs.lib.records import ShardKey, decode_vector, encode_vector, shard_key
from mr_jobs.lib.sums import assemble
from mr_jobs.lib.trials import Candidates, Centres, Trials
from mr_jobs.mr_try_models import MRTryModels

WNIDS = ["n0", "n1", "n2"]
D, N, TOP_K = 6, 400, 2
RANDOM = np.random.default_rng(0)
CANDIDATES = Candidates(
    RANDOM.normal(size=D),
    RANDOM.uniform(1, 2, D),
    RANDOM.normal(size=(2, 3, D)).astype(np.float32),
    RANDOM.normal(size=(2, 3)).astype(np.float32),
    np.array([0.5, 1.0, 4.0]),
)
CENTRES = Centres(CANDIDATES.mean, CANDIDATES.scale, RANDOM.normal(size=(3, D)))
RECORDS = sorted(
    (
        shard_key(f"train/{WNIDS[number % 3]}/{number}.JPEG", 0, 0.0, 0.0),
        encode_vector(RANDOM.normal(size=D).astype(np.float32)),
    )
    for number in range(N)
)


@pytest.fixture
def args(tmp_path: Path) -> tuple[str, ...]:
    (tmp_path / "wnids.txt").write_text("".join(f"{wnid}\n" for wnid in WNIDS))
    (tmp_path / "candidates.npz").write_bytes(CANDIDATES.to_bytes())
    return (
        *("--classes", str(tmp_path / "wnids.txt"), "--held-out-from", "0.5"),
        *("--part", "held_out", "--candidates", str(tmp_path / "candidates.npz")),
        *("--top-k", str(TOP_K)),
    )


def arrays(*, held_out: bool) -> tuple[Any, Any]:
    keys = [(ShardKey.parse(key), value) for key, value in RECORDS]
    taken = [(key, value) for key, value in keys if not held_out or key.place >= 0.5]
    X = np.array([decode_vector(value) for _, value in taken], np.float64)
    return X, np.array([WNIDS.index(key.image.wnid) for key, _ in taken])


@pytest.mark.parametrize(("runner", "n_shards"), [("inline", 1), ("inline", 5), ("local", 4)])
def test_errors_and_likelihoods_are_those_of_all_held_out_images_at_once(
    run_job: Any, bundle: Any, args: Any, runner: str, n_shards: int
) -> None:
    paths = [bundle(*RECORDS[i::n_shards], name=f"part-{i}") for i in range(n_shards)]

    result = run_job(MRTryModels, *paths, runner=runner, args=args)

    trials = Trials.from_sums(assemble(result.records), CANDIDATES)
    X, y = arrays(held_out=True)
    every = np.arange(len(y))
    assert trials.n == len(y)
    assert result.counters["read"] == N
    for row in range(2):
        scaled = (X - CANDIDATES.mean) / CANDIDATES.scale
        scores = scaled @ CANDIDATES.coef[row].T + CANDIDATES.intercept[row]
        ranks = (-scores).argsort(axis=1).argsort(axis=1)[every, y]
        assert trials.errors[row].tolist() == [(ranks >= 1).sum(), (ranks >= TOP_K).sum()]
        for column, temperature in enumerate(CANDIDATES.temperatures):
            expected = -log_softmax(scores / temperature, axis=1)[every, y].sum()
            assert trials.likelihoods[row, column] == pytest.approx(expected, rel=1e-5)


def test_fourth_powers_are_of_all_training_images(
    run_job: Any, bundle: Any, args: Any, tmp_path: Path
) -> None:
    (tmp_path / "centres.npz").write_bytes(CENTRES.to_bytes())

    options = (*args[:2], "--centres", str(tmp_path / "centres.npz"))
    sums = assemble(run_job(MRTryModels, bundle(*RECORDS), args=options).records)

    X, y = arrays(held_out=False)
    residuals = (X - CENTRES.mean) / CENTRES.scale - CENTRES.centres[y]
    expected = (np.linalg.norm(residuals, axis=1) ** 4).sum()
    assert sums["fourth_powers"][0] == pytest.approx(expected, rel=1e-12)


def test_no_held_out_images_are_no_errors(run_job: Any, bundle: Any, args: Any) -> None:
    inner = [record for record in RECORDS if ShardKey.parse(record[0]).place < 0.5]

    sums = assemble(run_job(MRTryModels, bundle(*inner), args=args).records)

    assert Trials.from_sums(sums, CANDIDATES).n == 0
    assert run_job(MRTryModels, bundle(), args=args).records == []


def test_of_equal_scores_the_lower_class_is_better() -> None:
    flat = Candidates(
        np.zeros(1),
        np.ones(1),
        np.zeros((1, 3, 1), np.float32),
        np.zeros((1, 3), np.float32),
        np.zeros(0),
    )
    trials = Trials.none(flat)

    trials.add(flat, np.zeros((3, 1), np.float32), np.arange(3), 2)

    assert trials.errors.tolist() == [[2, 1]]

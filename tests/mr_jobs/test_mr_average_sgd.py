from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mr_jobs.descent import LOSSES, Start
from mr_jobs.lib.records import encode_vector, shard_key
from mr_jobs.lib.sums import assemble
from mr_jobs.mr_average_sgd import MRAverageSgd

D, N = 8, 900
CENTRES = np.random.default_rng(1).normal(size=(4, D))


def records(n_classes: int) -> list[tuple[str, bytes]]:
    random = np.random.default_rng(0)
    return sorted(
        (
            shard_key(f"train/n{number % n_classes}/{number}.JPEG", 0, 0.0, 0.0),
            encode_vector((CENTRES[number % n_classes] + random.normal(size=D)).astype("f4")),
        )
        for number in range(N)
    )


@pytest.fixture
def epoch(run_job: Any, bundle: Any, tmp_path: Path, tiny_tasks: None) -> Any:
    """Do an epoch over some shards, a task for each."""

    def do(start: Start, n_classes: int, n_shards: int, loss: str, runner: str = "inline") -> Start:
        made = records(n_classes)
        paths = [bundle(*made[i::n_shards], name=f"part-{i}") for i in range(n_shards)]
        (tmp_path / "wnids.txt").write_text("".join(f"n{i}\n" for i in range(n_classes)))
        (tmp_path / "start.npz").write_bytes(start.to_bytes())
        args: tuple[str, ...] = ("--classes", str(tmp_path / "wnids.txt"))
        args += ("--start", str(tmp_path / "start.npz"))
        args += ("--loss", loss, "--alpha", "0.01", "--num-cores", str(n_shards))
        result = run_job(MRAverageSgd, *paths, runner=runner, args=args)
        assert result.counters["read"] == N
        return start.after(assemble(result.records))

    return do


def error(start: Start, n_classes: int) -> float:
    vectors = np.array([np.frombuffer(value, "<f4") for _, value in records(n_classes)])
    y = np.array([int(key.split("/")[1][1:]) for key, _ in records(n_classes)])
    scores = vectors @ start.coef.T + start.intercept
    best = scores.argmax(axis=1) if n_classes > 2 else (scores[:, 0] > 0).astype(int)
    return float((best != y).mean())


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(("n_classes", "n_shards"), [(2, 1), (4, 1), (4, 3)])
def test_epochs_learn_what_can_be_learnt(
    epoch: Any, loss: str, n_classes: int, n_shards: int
) -> None:
    start = Start.zero(np.zeros(D), np.ones(D), n_classes)
    for _ in range(3):
        start = epoch(start, n_classes, n_shards, loss)

    assert start.clock[0] == pytest.approx(1 + 3 * N / n_shards)
    assert start.coef.shape == (1 if n_classes == 2 else n_classes, D)
    assert error(start, n_classes) < 0.2


def test_the_same_shards_give_the_same_bits_on_both_runners(epoch: Any) -> None:
    start = Start.zero(np.zeros(D), np.ones(D), 4)

    inline, again, local = (epoch(start, 4, 3, "hinge", r) for r in ("inline", "inline", "local"))

    assert inline.coef.tobytes() == again.coef.tobytes() == local.coef.tobytes()


def test_tasks_are_weighed_by_their_images() -> None:
    start = Start.zero(np.zeros(D), np.ones(D), 2)
    sums = {
        "n": np.array([4.0]),  # 1 image at weight 8 and 3 at weight 4
        "coef": np.full(D, 8.0 + 3 * 4.0),
        "intercept": np.array([4.0]),
        "clock": np.array([8.0]),
    }

    after = start.after(sums)

    assert after.coef.tolist() == [[5.0] * D]
    assert (after.intercept.tolist(), after.clock.tolist()) == ([1.0], [2.0])
    assert start.after({}) is start

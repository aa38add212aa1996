from __future__ import annotations

import heapq
import io
from typing import Any

from mr_jobs.lib.sequencefile import Reader
from mr_jobs.mr_split_shards import MRSplitShards

VECTOR = bytes(range(256)) * 4  # with tabs, newlines and zeros


def _features(n: int, split: str = "train", classes: int = 4) -> list[tuple[str, bytes]]:
    return [(f"{split}/n{i % classes:02}/{i}.JPEG", VECTOR + bytes([i % 256])) for i in range(n)]


def _sides(result: Any) -> dict[str, str]:
    return {key.split("/", 1)[1]: key.split("\t")[0] for key, _ in result.records}


def test_vectors_pass_the_shuffle_unchanged(run_job: Any, bundle: Any) -> None:
    features = _features(30)

    result = run_job(MRSplitShards, bundle(*features))

    assert {key.split("\t")[2]: value for key, value in result.records} == dict(features)
    assert result.counters == {"read": 30, "train": 30}


def test_the_official_division_is_kept(run_job: Any, bundle: Any) -> None:
    result = run_job(MRSplitShards, bundle(*_features(5), *_features(3, "val")))

    assert result.counters == {"read": 8, "train": 5, "val": 3}


def test_without_one_the_sides_are_stratified_within_sampling_error(
    run_job: Any, bundle: Any
) -> None:
    result = run_job(MRSplitShards, bundle(*_features(4000)), args=("--val-fraction", "0.25"))

    for wnid in range(4):
        sides = [s for name, s in _sides(result).items() if name.startswith(f"n{wnid:02}/")]
        share = sides.count("val") / len(sides)
        assert abs(share - 0.25) < 4 * (0.25 * 0.75 / 1000) ** 0.5


def test_adding_images_moves_no_old_one(run_job: Any, bundle: Any) -> None:
    args = ("--val-fraction", "0.3", "--test-fraction", "0.2")

    few = _sides(run_job(MRSplitShards, bundle(*_features(50), name="few"), args=args))
    many = _sides(run_job(MRSplitShards, bundle(*_features(200), name="many"), args=args))

    assert few.items() <= many.items()
    assert set(many.values()) == {"train", "val", "test"}


def test_another_seed_gives_another_division(run_job: Any, bundle: Any) -> None:
    path = bundle(*_features(100))

    first = _sides(run_job(MRSplitShards, path, args=("--val-fraction", "0.5")))
    other = _sides(run_job(MRSplitShards, path, args=("--val-fraction", "0.5", "--seed", "1")))

    assert first != other


def test_merging_the_sorted_shards_gives_one_shuffled_order_on_every_runner(
    run_job: Any, bundle: Any
) -> None:
    path = bundle(*_features(60), *_features(20, "val"))
    orders = []
    for runner in ("inline", "local"):
        shards = [
            [record.key for record in Reader(io.BytesIO(file)).records()]
            for file in run_job(MRSplitShards, path, runner=runner).files
        ]
        assert all(shard == sorted(shard) for shard in shards)  # type: ignore[type-var]
        orders.append(list(heapq.merge(*shards)))  # type: ignore[type-var]

    assert orders[0] == orders[1]
    names = [key.split(b"\t")[2] for key in orders[0]]  # type: ignore[union-attr, arg-type]
    assert names != sorted(names)

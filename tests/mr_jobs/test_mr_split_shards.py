from __future__ import annotations

import heapq
import io
from pathlib import Path
from typing import Any

import pytest

from mr_jobs.lib.duplicates import GroupRow
from mr_jobs.lib.records import ShardKey
from mr_jobs.lib.sequencefile import Reader
from mr_jobs.mr_split_shards import MRSplitShards

VECTOR = bytes(range(256)) * 4  # with tabs, newlines and zeros


def _features(n: int, split: str = "train", classes: int = 4) -> list[tuple[str, bytes]]:
    return [(f"{split}/n{i % classes:02}/{i}.JPEG", VECTOR + bytes([i % 256])) for i in range(n)]


def _sides(result: Any) -> dict[str, str]:
    keys = [ShardKey.parse(key) for key, _ in result.records]
    return {f"{key.image.wnid}/{key.image.file_name}": key.split for key in keys}


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


@pytest.fixture
def groups(tmp_path: Path) -> Path:
    """Write a table: of train, 1 and 2 are the same as 0, and 3 is the same as one of val."""
    rows = [
        GroupRow("train/n00/0.JPEG", "train/n00/0.JPEG", "first", 0, "train", "n00", None),
        GroupRow("train/n01/1.JPEG", "train/n00/0.JPEG", "near", 2, "train", "n01", None),
        GroupRow("train/n02/2.JPEG", "train/n00/0.JPEG", "exact", 0, "train", "n02", None),
        GroupRow("train/n03/3.JPEG", "train/n03/3.JPEG", "first", 0, "train", "n03", "leak"),
        GroupRow("val/n00/0.JPEG", "train/n03/3.JPEG", "near", 1, "val", "n00", None),
    ]
    path = tmp_path / "groups.tsv"
    path.write_text("".join(f"{row.to_line()}\n" for row in rows))
    return path


@pytest.mark.parametrize("seed", range(4))
def test_duplicates_are_on_one_side_whatever_the_seed_and_others_stay(
    run_job: Any, bundle: Any, groups: Path, seed: int
) -> None:
    path = bundle(*_features(40))
    args = ("--val-fraction", "0.5", "--seed", str(seed))

    alone = _sides(run_job(MRSplitShards, path, args=args))
    grouped = _sides(
        run_job(MRSplitShards, path, args=(*args, "--groups", str(groups), "--leaks", "keep"))
    )

    assert len({grouped[f"n0{number}/{number}.JPEG"] for number in range(3)}) == 1
    moved = {name for name in alone if alone[name] != grouped[name]}
    assert moved <= {"n01/1.JPEG", "n02/2.JPEG"}


@pytest.mark.parametrize("runner", ["inline", "local"])
def test_leaks_are_moved_to_a_split_of_their_own_and_counted(
    run_job: Any, bundle: Any, groups: Path, runner: str
) -> None:
    path = bundle(*_features(8), *_features(3, "val"))

    result = run_job(MRSplitShards, path, runner=runner, args=("--groups", str(groups)))

    assert result.counters == {"read": 11, "train": 7, "val": 3, "leaked": 1}
    assert [key.split("\t")[2] for key, _ in result.records if key.startswith("leaked")] == [
        "train/n03/3.JPEG"
    ]


def test_every_record_carries_the_tag_of_its_run(run_job: Any, bundle: Any) -> None:
    path = bundle(*_features(8), *_features(3, "val"))

    tagged = run_job(MRSplitShards, path, args=("--shard-tag", "0123abcd"))
    by_hand = run_job(MRSplitShards, path)

    assert {key.split("\t")[3] for key, _ in tagged.records} == {"0123abcd"}
    assert {key.split("\t")[3] for key, _ in by_hand.records} == {"-"}


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

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mr_jobs.lib.errors import DataError
from mr_jobs.lib.moments import Moments
from mr_jobs.lib.records import ShardKey, decode_vector, encode_vector, shard_key
from mr_jobs.lib.selection import Selection
from mr_jobs.lib.sums import assemble
from mr_jobs.mr_sum_moments import MRSumMoments

WNIDS = [f"n{number:02}" for number in range(5)]
D = 11
FROM = 5 / 6


def shard_records(
    n: int, *, grid: bool = True, tag: str = "-", split: str = "train"
) -> list[tuple[str, bytes]]:
    """Make records of shards, sorted as the shuffle does."""
    random = np.random.default_rng(0)
    made = []
    for number in range(n):
        vector = random.normal(size=D) * 3
        vector = np.round(vector * 4096) / 4096 if grid else vector
        key = shard_key(f"{split}/{WNIDS[number % 5]}/{number}.JPEG", 0, 0.0, 0.0, tag=tag)
        made.append((key, encode_vector(vector.astype(np.float32))))
    return sorted(made)


@pytest.fixture
def classes(tmp_path: Path) -> tuple[str, ...]:
    path = tmp_path / "wnids.txt"
    path.write_text("".join(f"{wnid}\n" for wnid in WNIDS))
    return ("--classes", str(path))


def held_out(record: tuple[str, bytes]) -> bool:
    return ShardKey.parse(record[0]).place >= FROM


def in_memory(records: list[tuple[str, bytes]]) -> Moments:
    vectors = np.array([decode_vector(value) for _, value in records])
    y = np.array([WNIDS.index(ShardKey.parse(key).image.wnid) for key, _ in records])
    moments = Moments.empty(5, D)
    moments.add(vectors, y)
    return moments


@pytest.mark.parametrize(("runner", "n_shards"), [("inline", 1), ("inline", 16), ("local", 4)])
def test_each_part_has_its_own_sums_the_same_bits_for_any_number_of_tasks(
    run_job: Any, bundle: Any, classes: Any, runner: str, n_shards: int
) -> None:
    records = shard_records(300)
    paths = [bundle(*records[i::n_shards], name=f"part-{i}") for i in range(n_shards)]

    args = (*classes, "--held-out-from", str(FROM))
    result = run_job(MRSumMoments, *paths, runner=runner, args=args)

    sums = assemble(result.records)
    for part, wanted in (("inner", False), ("held_out", True)):
        exact = in_memory([record for record in records if held_out(record) == wanted])
        for name, array in exact.to_sums(part):
            assert sums[name].tobytes() == array.tobytes(), name
    n_held_out = sum(map(held_out, records))
    assert sums["tag/-"].tolist() == [300]
    assert result.counters == {"read": 300, "inner": 300 - n_held_out, "held_out": n_held_out}


@pytest.mark.parametrize("n_shards", [4, 16])
def test_vectors_of_any_floats_agree_to_ten_digits(
    run_job: Any, bundle: Any, classes: Any, n_shards: int
) -> None:
    records = shard_records(300, grid=False)
    paths = [bundle(*records[i::n_shards], name=f"part-{i}") for i in range(n_shards)]

    sums = assemble(run_job(MRSumMoments, *paths, args=classes).records)

    for name, array in in_memory(records).to_sums("inner"):
        np.testing.assert_allclose(sums[name], array.reshape(-1), rtol=1e-10, atol=1e-10)


def test_only_the_train_images_are_summed(run_job: Any, bundle: Any, classes: Any) -> None:
    records = shard_records(20)

    path = bundle(*sorted(records + shard_records(30, split="val")))
    sums = assemble(run_job(MRSumMoments, path, args=classes).records)

    assert sums["inner/counts"].tolist() == [4] * 5


def test_a_selection_is_of_images(run_job: Any, bundle: Any, classes: Any, tmp_path: Path) -> None:
    records = shard_records(20)
    images = [str(ShardKey.parse(key).image) for key, _ in records[:7]]
    (tmp_path / "selection").write_bytes(Selection.of(images).to_bytes())

    args = (*classes, "--selection", str(tmp_path / "selection"))
    result = run_job(MRSumMoments, bundle(*records), args=args)

    assert assemble(result.records)["inner/counts"].sum() == 7
    assert result.counters == {"read": 7, "inner": 7, "unselected": 13}


def test_a_pivot_changes_the_sums_and_not_what_follows(
    run_job: Any, bundle: Any, classes: Any, tmp_path: Path
) -> None:
    records = shard_records(50)
    pivot = np.round(np.linspace(-3, 3, D) * 4096) / 4096
    np.save(tmp_path / "pivot.npy", pivot)

    args = (*classes, "--pivot", str(tmp_path / "pivot.npy"))
    sums = assemble(run_job(MRSumMoments, bundle(*records), args=args).records)

    about = Moments.from_sums(sums, "inner", pivot)
    np.testing.assert_allclose(about.mean(), in_memory(records).mean(), atol=1e-14)
    np.testing.assert_allclose(about.covariance(), in_memory(records).covariance(), atol=1e-12)


def test_rows_of_matrices_with_a_prefix_are_vectors_of_one_class(run_job: Any, bundle: Any) -> None:
    rows = np.random.default_rng(0).normal(size=(700, 3)).astype(np.float32)
    other = np.full((5, 3), np.nan, np.float32)

    args = ("--row-length", "3", "--key-prefix", "patches", "--diagonal")
    path = bundle(
        ("patches a", rows[:600].tobytes()),
        ("others", other.tobytes()),
        ("patches b", rows[600:].tobytes()),
    )
    result = run_job(MRSumMoments, path, args=args)

    moments = Moments.from_sums(assemble(result.records), "inner")
    assert moments.n == 700
    np.testing.assert_allclose(moments.mean(), rows.mean(axis=0, dtype=np.float64), atol=1e-12)
    np.testing.assert_allclose(moments.variance(), rows.var(axis=0, dtype=np.float64), rtol=1e-9)
    assert result.counters == {"read": 2, "inner": 2}


@pytest.mark.parametrize("records", [[], shard_records(3, split="val")])
def test_no_train_images_give_no_sums(
    run_job: Any, bundle: Any, classes: Any, records: Any
) -> None:
    assert run_job(MRSumMoments, bundle(*records), args=classes).records == []


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_a_vector_that_is_not_finite_is_refused_with_the_image_named(
    run_job: Any, bundle: Any, classes: Any, number: float
) -> None:
    records = shard_records(3)
    bad = np.zeros(D, np.float32)
    bad[4] = number
    records[1] = (records[1][0], bad.tobytes())

    name = ShardKey.parse(records[1][0]).image
    with pytest.raises(DataError, match=f"the vector of {name} holds NaN or infinity"):
        run_job(MRSumMoments, bundle(*records), args=classes)


def test_a_vector_of_another_length_is_refused(run_job: Any, bundle: Any, classes: Any) -> None:
    records = shard_records(3)
    records[1] = (records[1][0], bytes(4))

    with pytest.raises(DataError, match="has 1 numbers where the first has 11"):
        run_job(MRSumMoments, bundle(*records), args=classes)


def test_a_value_cut_off_is_refused(run_job: Any, bundle: Any, classes: Any) -> None:
    records = shard_records(3)
    records[1] = (records[1][0], records[1][1][:-1])

    with pytest.raises(DataError, match="is not a vector"):
        run_job(MRSumMoments, bundle(*records), args=classes)


def test_an_image_of_another_synset_is_refused(run_job: Any, bundle: Any, tmp_path: Path) -> None:
    (tmp_path / "wnids.txt").write_text("n00\nn01\n")

    with pytest.raises(DataError, match="is of none of the model's synsets"):
        run_job(
            MRSumMoments, bundle(*shard_records(5)), args=("--classes", str(tmp_path / "wnids.txt"))
        )


def test_shards_of_two_runs_in_one_file_are_refused(
    run_job: Any, bundle: Any, classes: Any
) -> None:
    mixed = shard_records(3, tag="a") + shard_records(4, tag="b")

    with pytest.raises(DataError, match="two different runs are mixed"):
        run_job(MRSumMoments, bundle(*mixed), args=classes)

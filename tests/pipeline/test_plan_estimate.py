"""The arithmetic of a plan: tasks by the rules of the run, waves, side by side, bundles."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pipeline.config import Config
from pipeline.plan_calibration import Calibration
from pipeline.plan_cluster import Capacity
from pipeline.plan_costs import JOBS
from pipeline.plan_data import amounts_given
from pipeline.plan_estimate import Row, is_small, rows_of, seconds_of, wall_s
from pipeline.plan_jobs import Job, JobMaker
from pipeline.plan_steps import steps_of
from pipeline.task_sizes import count_tasks

CAPACITY = Capacity(
    told="made", nodes=1, cores=2, containers=3, vcores=3, container_mb=1024,
    max_container_mb=3072, replication=1, block_bytes=128 << 20, uber_maps=9, uber_reduces=1,
    uber_bytes=128 << 20, hinted_maps=1, driver_mb=16_000, free_bytes=None,
)  # fmt: skip
COSTS = Calibration(
    images=200, record_ms=0.05, catalog_ms=1.0, group_ms=0.05, descriptors_ms=2.0, learn_ms=0.2,
    features_ms=3.0, shuffle_ms=0.1, entry_ms=0.002, pair_ms=1e-6, row_bytes=360.0,
    band_bytes=11_000.0, descriptor_bytes=520.0, entries=44.0, descriptors=225.0,
    largest_bytes=600_000, products_per_s=2e10, single_per_s=8e10, solved_per_s=2e10,
    swept_per_s=1e9, task_mb=60.0, driver_mb=160.0, model_mb=130.0, model_s=1.0, row_ms=0.01,
)  # fmt: skip
FIXED = JOBS["hadoop"]


def steps_for(images: int, n_bytes: int, **tables: Any) -> dict[str, Any]:
    config = Config.from_dict(tables)
    amounts = amounts_given(images, n_bytes, 10, config)
    make = JobMaker(amounts, config, COSTS, CAPACITY, simulated=False, apart=True)
    return {step.name: step for step in steps_of(make)}


def test_a_job_over_bundles_has_the_tasks_that_the_run_gives_it() -> None:
    steps = steps_for(100_000, 11 << 30)

    (features,) = steps["features"].jobs
    assert features.maps == count_tasks(100_000, round(features.read), CAPACITY.slots, worth=1000)
    assert steps["catalog"].jobs[0].maps == steps["bundle"].jobs[0].maps  # a task a bundle
    assert not features.in_master


def test_passes_over_little_are_no_jobs() -> None:
    assert steps_for(1000, 100 << 20)["train"].jobs == []
    assert len(steps_for(1000, 100 << 20, passes={"here_mb": 0})["train"].jobs) == 2
    assert len(steps_for(100_000, 11 << 30)["train"].jobs) == 2


def test_images_cost_the_same_each_however_many_there_are() -> None:
    few, many = (steps_for(n, n * 100_000)["features"].jobs[0] for n in (20_000, 2_000_000))

    assert many.map_s == pytest.approx(100 * few.map_s)
    assert many.task_mb == few.task_mb


def test_a_small_job_runs_in_its_master_task_after_task() -> None:
    small = Job(maps=2, input_bytes=1 << 20, map_s=3.0)

    assert is_small(small, CAPACITY)
    expected = FIXED.job_s + 2 * FIXED.uber_task_s + 3.0
    assert seconds_of(small, CAPACITY, "hadoop") == pytest.approx(expected)
    assert not is_small(replace(small, maps=10), CAPACITY)
    assert not is_small(replace(small, reduces=2), CAPACITY)
    assert not is_small(replace(small, input_bytes=1 << 30), CAPACITY)


def test_more_tasks_than_slots_come_in_waves() -> None:
    job = Job(maps=12, input_bytes=12 << 30, map_s=120.0)  # two at a time, on two cores

    waves_s = 6 * (FIXED.task_s + 10.0)
    expected = FIXED.job_s + FIXED.containers_s + waves_s
    assert seconds_of(job, CAPACITY, "hadoop") == pytest.approx(expected)


def test_more_nodes_are_faster_until_the_disks_are_the_limit() -> None:
    job = Job(maps=1000, input_bytes=1e12, read=1e12, map_s=10_000.0)
    seconds = [
        seconds_of(job, replace(CAPACITY, nodes=n, vcores=3 * n), "hadoop") for n in (1, 10, 100)
    ]

    assert seconds == sorted(seconds, reverse=True)


def test_steps_side_by_side_take_as_long_as_the_longest_or_as_all_their_work() -> None:
    rows = [
        Row("bundle", seconds=5.0, cpu_s=5.0),
        Row("group", seconds=10.0, cpu_s=12.0),
        Row("features", beside=True, seconds=8.0, cpu_s=18.0),
        Row("split", seconds=4.0, cpu_s=4.0),
    ]

    assert list(wall_s(rows, CAPACITY)) == [
        (["bundle"], 5.0),
        (["group", "features"], 15.0),  # 30 s of work on two cores
        (["split"], 4.0),
    ]


def test_on_one_machine_every_step_waits_for_the_one_before() -> None:
    features = {"features": {"features": ["hog"]}}  # no codebook to wait for
    config = Config.from_dict(features)
    steps = list(steps_for(1000, 100 << 20, **features).values())

    there = [rows_of(steps, COSTS, config, CAPACITY, r, deploys=False) for r in ("hadoop", "local")]

    assert [any(row.beside for row in rows) for rows in there] == [True, False]


def test_bundles_of_like_tars_are_counted_by_groups() -> None:
    config = Config.from_dict({"data": {"bundle_mb": 1}})

    one = amounts_given(100, 100_000, 1, config)
    many = amounts_given(
        80_000, 80 << 20, 8, config
    )  # 10 MB and their headers a class: a group each

    assert (one.bundles, one.sources) == (1, 1)
    assert many.bundles == 8 * (1 + many.raw_bytes // 8 // (1 << 20))

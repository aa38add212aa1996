"""The comparison on a cluster: what is written, and one small run of it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from benchmarks.metering import Group, Usage
from benchmarks.peers import contestants
from benchmarks.peers.hadoop import OURS, SPARK, Measured, Yarn, race_on_hadoop, section
from benchmarks.peers.layouts import Layouts
from benchmarks.peers.race import Result

LAYOUTS = Layouts(Path("files"), Path("bundles"), Path("lines"), 20_000, "photographs", 110.0)
CAPACITY = Yarn(slots=2, container_mb=1024)


def measured() -> Measured:
    ours, spark, bare = Result(OURS), Result(SPARK), Result(contestants.CONTESTANTS["bare"])
    for number, factor in enumerate((1.0, 2.0)):
        ours.usages[number] = Usage(30 * factor, 50 * factor, 200.0, 0)
        spark.usages[number] = Usage(60 * factor, 125 * factor, 900.0, 0)
        bare.usages[number] = Usage(41 * factor, 40 * factor, 80.0, 0)
    return Measured(ours, spark, bare, steady_ms=[1.6, 3.2], task_ms=[1.5, 3.0], tasks=2)


def test_the_section_compares_with_pyspark_and_the_bare_loop() -> None:
    text = section(measured(), LAYOUTS, CAPACITY, True, "the command")

    assert "| **this project, -r hadoop** | 45.0 | 1.00 (1.00-1.00) | 75.0 | 1.00" in text
    assert "| PySpark on YARN | 90.0 | 2.00 (2.00-2.00) | 187.5 | 2.50 (2.50-2.50) | 900 |" in text
    assert "2 tasks side by side in containers of 1024 MiB" in text
    assert "in its own processes, JVMs and Python, 2.25 ms" in text
    assert "with the daemons 2.40 ms, 0.80 (0.80-0.80)" in text
    assert "0.75 (0.75-0.75) of the bare loop's 3.00 ms" in text


def test_without_a_control_group_the_clusters_cpu_is_not_claimed() -> None:
    text = section(measured(), LAYOUTS, CAPACITY, False, "the command")

    assert "| PySpark on YARN | 90.0 | 2.00 (2.00-2.00) | - | - | 900 |" in text
    assert "Steady state" not in text


def test_a_job_that_failed_has_no_figures() -> None:
    result = measured()
    result.spark.fault = "19999 vectors for 20000 images"

    text = section(result, LAYOUTS, CAPACITY, True, "the command")

    assert "| PySpark on YARN | - | - | - | - | - | - | 19999 vectors for 20000 images |" in text


@pytest.mark.cluster
@pytest.mark.extended
def test_our_job_is_measured_on_a_cluster_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contestants, "BENCH_ENV", tmp_path / "none")
    port_base = random.SystemRandom().randrange(33_000, 48_000, 30)

    done, layouts, capacity, cpu_is_known = race_on_hadoop(
        tmp_path, 40, 1, port_base, lambda _: None
    )

    with Group.made() as group:
        assert cpu_is_known == (group is not None)
    assert (done.ours.fault, done.bare.fault) == (None, None)
    assert done.spark.fault == "not installed: run benchmarks/setup"
    assert done.ours.vectors.startswith("cosine")
    assert (layouts.n_images, capacity.container_mb >= 256, done.tasks) == (40, True, 1)
    assert not (tmp_path / "cluster").exists()

"""Mahout's jobs: what they are given, what is read back, and what is said when they fail."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from mr_jobs.lib.errors import ConfigError, DataError, JobError
from mr_jobs.lib.sequencefile import open_reader
from mr_jobs.lib.vector_writable import decode_vector
from pipeline import mahout, yarn
from pipeline.cluster_mark import Cluster
from pipeline.mahout_command import lines
from pipeline.progress import Progress
from pipeline.stores import LocalStore

Launcher = Callable[[str], Cluster]
SUBMITTED = "26/11/23 10:00:00 INFO impl.YarnClientImpl: Submitted application application_17_000"


@pytest.fixture
def launcher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Launcher:
    """Make a cluster whose launcher of Mahout is a shell script of these lines."""
    monkeypatch.setattr(yarn, "diagnostics", lambda *_: None)
    monkeypatch.setattr(yarn, "task_slots", lambda _: 2)

    def made(script: str) -> Cluster:
        path = tmp_path / "mahout"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return cluster(path)

    return made


def cluster(mahout_bin: Path | None) -> Cluster:
    here = Path("/nowhere")
    return Cluster(
        "test", "test-1", here, 1, "3.4.2", here, here, here, here, "hdfs://h:1", "http://h:2",
        "http://h:3", "http://h:4", here, here, mahout_bin=mahout_bin,
    )  # fmt: skip


def run(where: Cluster, tmp_path: Path) -> list[str]:
    with Progress("test") as progress:
        return mahout.run_mahout(
            where, "ssvd", ["a.b=1"], ["--rank", "2"], tmp_path / "logs" / "ssvd.log", progress
        )


def test_matrix_is_a_file_of_numbered_vectors(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    rows = np.arange(12, dtype=np.float32).reshape(4, 3)

    matrix = mahout.write_matrix(store, "m", iter([rows[:1], rows[1:]]))

    assert matrix == mahout.Matrix("m", 4, 3, (tmp_path / "m" / "part-00000").stat().st_size)
    with open_reader(tmp_path / "m" / "part-00000") as reader:
        records = [(record.key, record.value) for record in reader.records()]
    assert [key for key, _ in records] == [0, 1, 2, 3]
    assert (np.stack([decode_vector(bytes(value)) for _, value in records]) == rows).all()  # type: ignore[arg-type]
    found = mahout.read_vectors(store, store.files("m"))
    assert (np.stack([found[n] for n in range(4)]) == rows).all()


def test_memory_does_not_grow_with_the_matrix(tmp_path: Path) -> None:
    def blocks(n: int) -> Iterator[NDArray[np.float32]]:
        return (np.ones((40, 108), np.float32) for _ in range(n))

    def peak(n: int) -> int:
        tracemalloc.start()
        mahout.write_matrix(LocalStore(tmp_path), f"m{n}", blocks(n))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    small, large = peak(100), peak(1000)  # 1.7 and 17 MB

    assert large < small + (1 << 20)


def test_matrix_without_rows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no row"):
        mahout.write_matrix(LocalStore(tmp_path), "m", iter([]))


def test_rows_of_different_lengths_are_refused(tmp_path: Path) -> None:
    blocks = [np.zeros((1, 3), np.float32), np.zeros((1, 4), np.float32)]

    with pytest.raises(DataError, match="rows of 3 and 4 numbers"):
        mahout.write_matrix(LocalStore(tmp_path), "m", iter(blocks))


def test_file_of_something_else_is_not_read_as_vectors(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    mahout.write_clusters(store, "start", np.eye(2))

    with pytest.raises(DataError, match="holds Kluster, not VectorWritable"):
        mahout.read_vectors(store, store.files("start"))


def test_first_output_that_is_there_is_taken_and_a_missing_one_told(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    for number in (2, 4):
        store.write(f"clusters-{number}-final/part-r-00000", [b"x"])

    found = mahout.output(store, *(f"clusters-{number}-final" for number in (5, 4, 3, 2)))

    assert found == ["clusters-4-final/part-r-00000"]
    with pytest.raises(JobError, match="left no output"):
        mahout.output(store, "V")


@pytest.mark.parametrize(
    ("n_rows", "least_rows", "n_tasks"), [(100, 1, 1), (100_000, 78, 2), (100_000, 40_000, 1)]
)
def test_matrix_is_cut_into_tasks_of_enough_rows(
    launcher: Launcher, n_rows: int, least_rows: int, n_tasks: int
) -> None:
    matrix = mahout.Matrix("m", n_rows, 128, 512 * n_rows)

    settings = mahout.task_settings(launcher(""), matrix, least_rows)

    cut = f"mapreduce.input.fileinputformat.split.maxsize={512 * n_rows // n_tasks}"
    assert settings == [cut, *["mapreduce.job.ubertask.enable=false"] * (n_tasks > 1)]


def test_jobs_go_to_the_clusters_queue(launcher: Launcher) -> None:
    where = replace(launcher(""), queue="imagenet")

    settings = mahout.task_settings(where, mahout.Matrix("m", 10, 2, 100))

    assert "mapreduce.job.queuename=imagenet" in settings


def test_program_gets_its_settings_first_and_its_jobs_are_told(
    launcher: Launcher, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = launcher(f'echo "given: $*"; echo "{SUBMITTED}1"; echo "{SUBMITTED}2" >&2')

    assert run(where, tmp_path) == ["application_17_0001", "application_17_0002"]

    assert "job 2: application_17_0002" in capsys.readouterr().err
    told = (tmp_path / "logs" / "ssvd.log").read_text()
    assert "given: ssvd -D a.b=1 --rank 2" in told


def test_failure_is_told_in_javas_words_with_the_log(launcher: Launcher, tmp_path: Path) -> None:
    where = launcher(
        'echo "Exception in thread main java.io.IOException: Bt job failed" >&2; exit 1'
    )

    with pytest.raises(
        JobError, match=r"ssvd failed: java.io.IOException: Bt job failed; .*ssvd.l"
    ):
        run(where, tmp_path)


def test_interrupt_ends_the_program_and_its_job(
    launcher: Launcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed = []
    monkeypatch.setattr(yarn, "kill", lambda _, application: killed.append(application))
    where = launcher(f'trap "echo ended > {tmp_path}/ended; exit 143" TERM; '
                     f'echo "{SUBMITTED}1"; while :; do :; done')  # fmt: skip

    def interrupt(_: str) -> None:
        raise KeyboardInterrupt

    with Progress("test") as progress:
        monkeypatch.setattr(progress, "note", interrupt)
        with pytest.raises(KeyboardInterrupt):
            mahout.run_mahout(where, "ssvd", [], [], tmp_path / "log", progress)

    assert killed == ["application_17_0001"]
    assert (tmp_path / "ended").exists()


def test_cluster_without_mahout_is_told_how_to_get_it() -> None:
    with pytest.raises(ConfigError, match="up --name test --with mahout"):
        mahout.require(cluster(None))


def test_run_without_a_cluster_is_refused() -> None:
    with pytest.raises(ConfigError, match="YARN only"):
        mahout.require(None)


def test_launcher_on_other_hosts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not on this machine"):
        mahout.require(cluster(tmp_path / "mahout"))


def test_comparisons_are_told_in_lines() -> None:
    common = {"seconds": {"ours": 1.5, "to Mahout": 2.5, "Mahout": 60.0}, "jobs": ["a", "b"]}
    ssvd = {
        "program": "ssvd", "ours_by": "jobs", **common,
        "figures": {
            "rows": 1000, "columns": 128, "rank": 48, "oversampling": 30, "power_iterations": 2,
            "largest_angle": 2e-4, "median_angle": 1e-6, "deviations_differ_by": 3e-5,
        },
    }  # fmt: skip

    told = list(lines(ssvd))

    assert told[1] == (
        "angles       largest 2.0e-04, median 1.0e-06 radians between Mahout's components and ours"
    )
    assert told[-1] == (
        "seconds      ours 1.5 by jobs; Mahout 60.0 in 2 jobs, after 2.5 to write its input"
    )

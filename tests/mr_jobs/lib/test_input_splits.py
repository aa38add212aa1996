"""Every byte of every file is read by one task, and the tasks have about the same to do."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from mr_jobs.lib import input_splits
from mr_jobs.lib.input_splits import TASK_BYTES, InputSplit, divide, from_line, to_line


@pytest.mark.usefixtures("tiny_tasks")
@pytest.mark.parametrize("seed", range(30))
def test_the_splits_are_the_files_in_order_and_the_tasks_are_balanced(seed: int) -> None:
    random = np.random.default_rng(seed)
    sizes = random.choice([0, 1, 2, 99, 1000, 12_345], random.integers(1, 9))
    files = [(f"/data/{i}", int(size)) for i, size in enumerate(sizes)]
    n_tasks = int(random.integers(1, 12))

    tasks = divide(files, n_tasks)

    splits = [split for task in tasks for split in task]
    for path, size in files:
        own = [split for split in splits if split.path == path]
        assert own[0].start == 0
        assert all(a.start + a.length == b.start for a, b in pairwise(own))
        assert own[-1].start + own[-1].length == size
    assert [split.path for split in splits] == sorted(split.path for split in splits)
    loads = [sum(split.length for split in task) for task in tasks]
    assert len(tasks) <= n_tasks
    assert max(loads) - min(loads) <= 1


def test_little_input_is_one_task() -> None:
    assert len(divide([("a", 100), ("b", 2 * TASK_BYTES - 101)], 8)) == 1


def test_there_are_no_more_tasks_than_asked_for() -> None:
    assert len(divide([("a", 100 * TASK_BYTES)], 3)) == 3


@pytest.mark.parametrize("name", ["plain", "two\nlines", 'quote"d\\', "Käse 🧀", "\udcff.seq", "["])
def test_any_file_name_fits_into_a_line(name: str) -> None:
    splits = [InputSplit(name, 0, 5), InputSplit(name, 5, 2)]

    line = to_line(splits)

    assert line.count("\n") == 1
    assert from_line(line.encode()) == splits


def test_a_directory_stands_for_its_data_files(tmp_path: Path) -> None:
    for name in ("part-1", "part-0", "_SUCCESS", ".part-0.crc"):
        (tmp_path / name).touch()

    assert input_splits.data_files(tmp_path) == [f"{tmp_path}/part-0", f"{tmp_path}/part-1"]

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mr_jobs.lib.records import decode_vector, encode_vector
from mr_jobs.lib.sums import CHUNK, assemble
from mr_jobs.summing_job import SummingJob
from pipeline.stores import LocalStore
from pipeline.sums import read_sums

WIDTH = CHUNK + 5


class MRSumVectors(SummingJob):
    """Adds vectors up, and sends what it has whenever a key ends in `!`."""

    def mapper_init(self) -> None:
        super().mapper_init()
        self._sum = np.zeros(0)

    def add(self, key: str, value: bytes) -> None:
        self.count("read")
        vector = decode_vector(value).astype(np.float64)
        self._sum = self._sum + vector if self._sum.size else vector
        if key.endswith("!"):
            self.emit("early", self._sum)
            self._sum = np.zeros(0)

    def totals(self) -> Iterable[tuple[str, NDArray[np.float64]]]:
        yield "sum", np.resize(self._sum, WIDTH)
        yield "tasks", np.ones(1)


def records(n: int, n_numbers: int = WIDTH) -> list[tuple[str, bytes]]:
    rng = np.random.default_rng(0)
    return [(f"k{i}", encode_vector(rng.normal(size=n_numbers).astype("f4"))) for i in range(n)]


@pytest.mark.usefixtures("tiny_tasks")
@pytest.mark.parametrize(("runner", "n_tasks"), [("inline", 1), ("inline", 4), ("local", 4)])
def test_the_sums_of_all_tasks_are_added(
    run_job: Any, bundle: Any, runner: str, n_tasks: int
) -> None:
    made = records(8)
    paths = [bundle(*made[i::4], name=f"part-{i}") for i in range(4)]

    result = run_job(MRSumVectors, *paths, runner=runner, args=("--num-cores", str(n_tasks)))

    sums = assemble(result.records)
    exact = np.sum([decode_vector(value) for _, value in made], axis=0, dtype=np.float64)
    np.testing.assert_allclose(sums["sum"], exact, rtol=1e-12, atol=1e-14)
    assert sums["tasks"][0] == n_tasks
    assert result.counters == {"read": 8}


def test_what_is_sent_early_is_added_too(run_job: Any, bundle: Any) -> None:
    one = encode_vector(np.ones(WIDTH, np.float32))

    path = bundle(("a", one), ("b!", one), ("c!", one), ("d", one))
    sums = assemble(run_job(MRSumVectors, path).records)

    assert set(sums["early"]) == {3.0}
    assert set(sums["sum"]) == {1.0}


@pytest.mark.parametrize("runner", ["inline", "local"])
def test_no_records_give_no_sums(run_job: Any, bundle: Any, runner: str) -> None:
    assert run_job(MRSumVectors, bundle(), runner=runner).records == []


def test_the_pipeline_reads_the_sums_of_all_part_files(
    run_job: Any, bundle: Any, tmp_path: Path
) -> None:
    files = run_job(MRSumVectors, bundle(*records(3)), runner="local").files
    for number, content in enumerate(files):
        path = tmp_path / "store" / "sums" / f"part-{number:05}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    sums = read_sums(LocalStore(tmp_path / "store"), "sums")

    assert {name: array.size for name, array in sums.items()} == {"sum": WIDTH, "tasks": 1}
    assert read_sums(LocalStore(tmp_path / "store"), "nothing") == {}


if __name__ == "__main__":  # the local runner starts tasks by this file
    MRSumVectors.run()

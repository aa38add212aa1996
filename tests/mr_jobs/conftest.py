"""Run jobs in this process and make bundles for them."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from mr_jobs.job import ImageJob
from mr_jobs.lib import input_splits
from mr_jobs.lib.sequencefile import Reader, Writer

Records = list[tuple[str, bytes]]


class JobOutput(NamedTuple):
    """The output's files whole, the records or lines in them, and the counters of `images`."""

    files: list[bytes]
    records: Records
    lines: list[str]
    counters: dict[str, int]


@pytest.fixture
def run_job(tmp_path: Path) -> Callable[..., JobOutput]:
    """Run a job on the inline or local runner."""

    def run(
        job: type[ImageJob], *inputs: Path, runner: str = "inline", args: tuple[str, ...] = ()
    ) -> JobOutput:
        output = tmp_path / f"output-{job.__name__}-{runner}-{len(list(tmp_path.iterdir()))}"
        places = ["--local-tmp-dir", str(tmp_path), "--output-dir", str(output)]
        instance = job(["-r", runner, *places, *args, *map(str, inputs)])
        with instance.make_runner() as mrjob_runner:
            mrjob_runner.run()
            counters = {}
            for step in mrjob_runner.counters():
                counters.update(step.get("images", {}))
        files = [path.read_bytes() for path in sorted(output.glob("part-*"))]
        if job.HADOOP_OUTPUT_FORMAT:
            records = [
                (record.key.decode(), record.value)  # type: ignore[union-attr]
                for file in files
                for record in Reader(io.BytesIO(file)).records()
            ]
            return JobOutput(files, records, [], counters)  # type: ignore[arg-type]
        lines = [line for file in files for line in file.decode().splitlines()]
        return JobOutput(files, [], lines, counters)

    return run


@pytest.fixture
def bundle(tmp_path: Path) -> Callable[..., Path]:
    """Write a bundle of (key, value) records."""

    def make(*records: tuple[str, bytes], name: str = "part-00000") -> Path:
        path = tmp_path / "bundles" / name
        path.parent.mkdir(exist_ok=True)
        with path.open("wb") as file, Writer(file) as writer:
            for key, value in records:
                writer.append(key.encode(), value)
        return path

    return make


@pytest.fixture
def tiny_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a task be worth its start for a single byte, so that `--num-cores` decides."""
    monkeypatch.setattr(input_splits, "TASK_BYTES", 1)

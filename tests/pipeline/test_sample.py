"""The synthetic sample as a directory: what it is told to be, and what it refuses."""

from __future__ import annotations

import re
import resource
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from mr_jobs.lib.errors import ConfigError
from pipeline.layouts import find_raw_data
from pipeline.sample import write_sample
from tests.pipeline.sample_reader import SMALL, Sample, checksums, read_images


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    directory = tmp_path_factory.mktemp("sample") / "small"
    return Sample(directory, write_sample(directory, **SMALL))


def test_the_pipeline_reads_it_as_synthetic_ilsvrc(sample: Sample) -> None:
    data = find_raw_data(sample.directory)

    assert data.synthetic
    assert [(source.split, source.wnid) for source in data.sources] == [
        ("train", "n99000001"),
        ("train", "n99000002"),
        ("train", "n99000003"),
        ("val", ""),
    ]
    assert not data.warnings


def test_the_same_seed_gives_the_same_bytes_in_another_process(
    sample: Sample, tmp_path: Path
) -> None:
    code = "import sys, pathlib; from pipeline.sample import write_sample as w; "
    code += "w(pathlib.Path(sys.argv[1]), n_classes=3, n_images=4)"
    environment = {"OPENCV_CPU_DISABLE": "AVX512-SKX,AVX2", "PYTHONHASHSEED": "1"}
    subprocess.run(
        [sys.executable, "-c", code, tmp_path / "again"], check=True, env=environment, timeout=60
    )

    assert checksums(tmp_path / "again") == checksums(sample.directory)


def test_another_seed_gives_other_pictures(sample: Sample, tmp_path: Path) -> None:
    write_sample(tmp_path / "other", **SMALL, seed=1)

    assert not set(read_images(tmp_path / "other").values()) & (
        set(read_images(sample.directory).values()) - {b""}
    )


def test_the_text_says_synthetic_and_lists_odd_files_and_checksums(sample: Sample) -> None:
    text = (sample.directory / "SYNTHETIC.txt").read_text()

    assert text.startswith("This data set is synthetic")
    assert "n_classes = 3\nn_images = 4\nseed = 0\n" in text
    assert all(odd.key in text for odd in sample.summary.odd_images)
    told = {line[66:]: line[:64] for line in text.splitlines() if re.match("[0-9a-f]{64}  ", line)}
    assert told | {"SYNTHETIC.txt": ""} == checksums(sample.directory) | {"SYNTHETIC.txt": ""}


def test_a_complete_sample_is_left_alone(sample: Sample) -> None:
    before = {path: path.stat().st_mtime_ns for path in sample.directory.rglob("*")}

    again = write_sample(sample.directory, **SMALL)

    assert sample.summary.created
    assert again == sample.summary._replace(created=False)
    assert {path: path.stat().st_mtime_ns for path in sample.directory.rglob("*")} == before


def test_a_sample_of_other_parameters_is_not_replaced(sample: Sample) -> None:
    with pytest.raises(ConfigError, match="does not hold the sample of 3 classes, 4 images"):
        write_sample(sample.directory, **SMALL, seed=1)


def test_a_directory_of_the_users_own_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")

    with pytest.raises(ConfigError, match="is not empty"):
        write_sample(tmp_path, **SMALL)

    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_in_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sample").write_text("")

    with pytest.raises(ConfigError, match="is a file"):
        write_sample(tmp_path / "sample", **SMALL)


def test_the_current_directory_is_not_replaced_under_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ConfigError, match="current directory"):
        write_sample(Path(), **SMALL)


def test_an_empty_directory_is_filled_and_its_parents_are_made(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    write_sample(tmp_path / "empty", n_classes=2, n_images=2)
    write_sample(tmp_path / "a/b", n_classes=2, n_images=2)

    assert checksums(tmp_path / "empty") == checksums(tmp_path / "a/b")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "empty"]


def test_a_changed_file_is_noticed(tmp_path: Path) -> None:
    write_sample(tmp_path / "sample", n_classes=2, n_images=2)
    tar = tmp_path / "sample" / "ILSVRC2012_img_val.tar"
    tar.write_bytes(tar.read_bytes()[:-1])

    with pytest.raises(ConfigError, match=r"img_val\.tar is missing or was changed; remove"):
        write_sample(tmp_path / "sample", n_classes=2, n_images=2)


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"n_classes": 1}, "2 to 50 classes, not 1"),
        ({"n_classes": 51}, "2 to 50 classes, not 51"),
        ({"n_images": 1}, "at least 2 training images per class, not 1"),
        ({"seed": -1}, "0 or more, not -1"),
    ],
)
def test_parameters_out_of_range_are_refused(
    parameters: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=sentence):
        write_sample(tmp_path / "sample", **parameters)

    assert not list(tmp_path.iterdir())


@contextmanager
def _files_no_larger_than(n_bytes: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_what_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    with (
        _files_no_larger_than(300_000),
        pytest.raises(ConfigError, match=r"cannot be written to .*; free some space"),
    ):
        write_sample(tmp_path / "sample", **SMALL)

    assert not list(tmp_path.iterdir())


def test_the_remains_of_a_killed_run_are_cleared_away(tmp_path: Path) -> None:
    code = "import os, pathlib, sys; from pipeline.sample import write_sample as w; "
    code += (
        "w(pathlib.Path(sys.argv[1]), n_images=20, progress=lambda line: os.kill(os.getpid(), 9))"
    )
    killed = subprocess.run([sys.executable, "-c", code, tmp_path / "sample"], timeout=60)
    assert killed.returncode == -9
    assert [path.name for path in tmp_path.iterdir()] == [".sample.sample-partial"]

    write_sample(tmp_path / "sample", **SMALL)

    assert [path.name for path in tmp_path.iterdir()] == ["sample"]
    assert find_raw_data(tmp_path / "sample").synthetic


def test_two_runs_at_once_write_one_sample(sample: Sample, tmp_path: Path) -> None:
    made = []
    threads = [
        threading.Thread(target=lambda: made.append(write_sample(tmp_path / "s", **SMALL)))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)

    assert sorted(summary.created for summary in made) == [False, False, True]
    assert checksums(tmp_path / "s") == checksums(sample.directory)
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


def test_progress_ends_with_the_last_image(tmp_path: Path) -> None:
    lines: list[str] = []

    write_sample(tmp_path / "sample", n_classes=10, n_images=6, progress=lines.append)

    assert lines == ["100/110 images drawn", "110/110 images drawn"]

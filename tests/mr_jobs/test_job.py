from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mrjob.step import MRStep

from mr_jobs.job import BundleInput, BundleOutput, bundle_step
from mr_jobs.mr_catalog_images import MRCatalogImages
from mr_jobs.mr_extract_features import MRExtractFeatures


class MRNoisyCopy(BundleInput, BundleOutput):
    """Copies records, and prints on the way as a library might."""

    def steps(self) -> list[MRStep]:
        return [bundle_step(mapper=self.mapper, bundle_input=True, bundle_output=True)]

    def mapper(self, key: str, value: bytes) -> Iterator[tuple[str, bytes]]:
        print("stray print")  # noqa: T201
        if self.options.runner is None and os.environ.get("NOISY_FD"):
            os.write(1, b"stray write")
        self.count("copied", len(value))
        yield key, value


def test_stray_prints_do_not_get_into_the_records(run_job: Any, bundle: Any) -> None:
    records = [("train/n01/a.JPEG", b"a\nb"), ("train/n01/b.JPEG", b"")]

    assert run_job(MRNoisyCopy, bundle(*records)).records == records


def test_not_even_writes_to_the_file_descriptor_when_tasks_are_processes(
    run_job: Any, bundle: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOISY_FD", "1")
    records = [("train/n01/a.JPEG", b"a\nb"), ("train/n01/b.JPEG", b"")]

    assert run_job(MRNoisyCopy, bundle(*records), runner="local").records == records


def test_help_says_what_the_job_does(repo_root: Path) -> None:
    script = repo_root / "mr_jobs" / "mr_extract_features.py"

    answer = subprocess.run(
        [sys.executable, str(script), "--help"], capture_output=True, text=True, check=True
    )

    assert "Output   SequenceFiles of image key" in answer.stdout
    assert "--features JSON" in answer.stdout


def test_a_folder_stands_for_its_data_files(bundle: Any, run_job: Any, jpeg: Any) -> None:
    path = bundle(("train/n01/a.JPEG", jpeg()))
    (path.parent / "_manifest.json").write_text("{}")

    assert (
        len(
            run_job(
                MRExtractFeatures, path.parent, args=("--features", '{"features": ["lab_pixels"]}')
            ).records
        )
        == 1
    )


def test_a_folder_without_data_files_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no input files in"):
        MRExtractFeatures(["-r", "inline", str(tmp_path)])


def test_a_job_starts_without_setuptools_and_leaves_it_usable() -> None:
    code = "import sys, mr_jobs.mr_extract_features; assert 'setuptools' not in sys.modules"
    environment = {k: v for k, v in os.environ.items() if k != "SETUPTOOLS_USE_DISTUTILS"}
    options = ["-W", "error", "-W", "ignore::DeprecationWarning"]

    done = subprocess.run(
        [sys.executable, *options, "-c", f"{code}\nimport setuptools, distutils.dist"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.usefixtures("tiny_tasks")
@pytest.mark.parametrize(
    ("runner", "n_tasks"),
    [("inline", 1), ("inline", 2), ("inline", 3), ("inline", 16), ("local", 5)],
)
def test_every_record_comes_once_and_in_order_for_any_number_of_tasks(
    run_job: Any, bundle: Any, runner: str, n_tasks: int
) -> None:
    random = np.random.default_rng(0)
    sizes = random.choice([0, 1, 1000, 70_000, 250_000], 40)
    records = [(f"train/n01/{i}.JPEG", random.bytes(size)) for i, size in enumerate(sizes)]
    paths = [
        bundle(*records[first:last], name=f"part-{last:02}")
        for first, last in ((0, 0), (0, 1), (1, 30), (30, 40))
    ]

    result = run_job(MRNoisyCopy, *paths, runner=runner, args=("--num-cores", str(n_tasks)))

    assert result.records == records
    assert result.counters == {"copied": sum(sizes)}
    assert len(result.files) == n_tasks


@pytest.mark.usefixtures("tiny_tasks")
def test_records_know_where_they_are_in_whichever_task_they_come(
    run_job: Any, bundle: Any, jpeg: Any
) -> None:
    paths = [
        bundle(*((f"train/n01/{i}.JPEG", jpeg(900, 700, seed=i)) for i in range(12)), name=name)
        for name in ("one", "two")
    ]

    whole, divided = (
        run_job(MRCatalogImages, *paths, args=("--num-cores", n_tasks)) for n_tasks in ("1", "7")
    )

    assert divided.lines == whole.lines
    assert len(divided.files) == 7


def test_bundles_are_found_by_relative_paths_and_odd_names(
    run_job: Any, bundle: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = [("train/n01/a.JPEG", b"a"), ("train/n01/b.JPEG", b"b")]
    paths = [
        bundle(record, name=name) for record, name in zip(records, ("[1] *", "ö\n"), strict=True)
    ]
    monkeypatch.chdir(paths[0].parent)

    for runner in ("inline", "local"):
        given = [Path(path.name) for path in paths]
        assert run_job(MRNoisyCopy, *given, runner=runner).records == records


def test_a_bundle_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"cannot read the input .*nowhere: No such file"):
        MRExtractFeatures(["-r", "inline", str(tmp_path / "nowhere")])


def test_a_job_leaves_no_lists_of_splits_behind(bundle: Any, tmp_path: Path) -> None:
    path = bundle(("train/n01/a.JPEG", b"a"))
    place = tmp_path / "tmp"
    place.mkdir()

    job = MRNoisyCopy(["-r", "inline", "--local-tmp-dir", str(place), str(path)])
    assert list(place.iterdir())
    del job
    gc.collect()

    assert not list(place.iterdir())


def test_counts_are_told_seldom_and_in_full(run_job: Any, bundle: Any, tmp_path: Path) -> None:
    records = [(f"train/n01/{i}.JPEG", b"x") for i in range(500)]

    result = run_job(MRNoisyCopy, bundle(*records), args=("--cleanup", "NONE"))

    assert result.counters == {"copied": 500}
    (told,) = (path.read_text() for path in tmp_path.glob("*/step/*/mapper/*/stderr"))
    assert told.count("reporter:counter") < 100


if __name__ == "__main__":
    MRNoisyCopy.run()

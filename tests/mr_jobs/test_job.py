from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mrjob.step import MRStep

from mr_jobs.job import BundleInput, BundleOutput, bundle_step
from mr_jobs.mr_extract_features import MRExtractFeatures


class MRNoisyCopy(BundleInput, BundleOutput):
    """Copies records, and prints on the way as a library might."""

    def steps(self) -> list[MRStep]:
        return [bundle_step(mapper=self.mapper, bundle_input=True, bundle_output=True)]

    def mapper(self, key: str, value: bytes) -> Iterator[tuple[str, bytes]]:
        print("stray print")  # noqa: T201
        if self.options.runner is None and os.environ.get("NOISY_FD"):
            os.write(1, b"stray write")
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


if __name__ == "__main__":
    MRNoisyCopy.run()

"""What a job is given in HDFS: the code of its tasks, as one archive."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

from pipeline.job_files import packed


def test_the_archive_is_the_same_bytes_for_the_same_code(repo_root: Path, tmp_path: Path) -> None:
    copy = tmp_path / "mr_jobs"
    shutil.copytree(repo_root / "mr_jobs", copy, ignore=shutil.ignore_patterns("__pycache__"))

    assert packed(copy) == packed(repo_root / "mr_jobs")

    packed.cache_clear()
    with (copy / "job.py").open("a") as file:
        file.write("# changed\n")
    assert packed(copy) != packed(repo_root / "mr_jobs")


def test_a_task_imports_compiled_modules_from_it(repo_root: Path, tmp_path: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(packed(repo_root / "mr_jobs"))) as tar:
        tar.extractall(tmp_path / "mr_jobs", filter="data")

    told = subprocess.run(
        [sys.executable, "-v", "-c", "import mr_jobs.job"],
        cwd=tmp_path,
        env={"PYTHONPATH": ".", "PYTHONDONTWRITEBYTECODE": "1"},
        check=True,
        capture_output=True,
        text=True,
    ).stderr

    own = [line for line in told.splitlines() if str(tmp_path / "mr_jobs") in line]
    assert any("code object from" in line and line.count("job.cpython") for line in own)
    assert not any("wrote" in line or line.endswith(".py'") for line in own if "code" in line)

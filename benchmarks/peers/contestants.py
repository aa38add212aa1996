"""Who takes part: our job on its runners, and programs of others that do the same work."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.metering import ROOT
from benchmarks.peers.layouts import Layouts
from benchmarks.peers.outputs import CLOSE, EXACT, SHAPE

HERE = Path(__file__).parent
BENCH_ENV = ROOT / ".venv-bench"
HOW_TO_INSTALL = "not installed: run benchmarks/setup"
OUR_JOB = ROOT / "mr_jobs" / "mr_extract_features.py"
SPEC = json.dumps(
    {
        "features": ["hog", "hsv_pyramid"],
        "image_px": 128,
        "hog": {"cell_px": 16, "block_px": 32, "stride_px": 16, "n_bins": 9, "signed": False},
        "hsv_pyramid": {"bins": [8, 4, 4], "grids": [1]},
    }
)
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONPATH": str(ROOT),  # of benchmarks.peers.workload
    "RAY_USAGE_STATS_ENABLED": "0",
    "DO_NOT_TRACK": "true",  # Daft
    "DAFT_ANALYTICS_ENABLED": "0",
    "SPARK_LOCAL_IP": "127.0.0.1",
}
BARE = "bare"


class Contestant(NamedTuple):
    """A way to compute the vectors.

    Attributes
    ----------
    name : for `--only`.
    title : of its row.
    package : what it needs of .venv-bench; empty when the project's environment has it all.
    check : how its vectors are compared with the bare loop's, see `outputs.fault_of`.
    ours : whether it is this project's.
    slow : whether `--slow-rounds` holds for it.
    options : of our job or of mrjob.
    """

    name: str
    title: str
    package: str = ""
    check: str = EXACT
    ours: bool = False
    slow: bool = False
    options: Sequence[str] = ()

    def command(self, layouts: Layouts, output: Path) -> list[str]:
        """Return the command that writes the vectors of all images below `output`."""
        if self.ours:
            job = [sys.executable, str(OUR_JOB), *self.options, "--features", SPEC]
            return [*job, "--output-dir", str(output), str(layouts.bundles)]
        python = str(BENCH_ENV / "bin" / "python") if self.package else sys.executable
        program = [python, str(HERE / f"{self.name}.py")]
        if self.options:
            lines = str(layouts.lines / "images.jsonl")
            return [*program, *self.options, "--output-dir", str(output), lines]
        return [*program, str(layouts.files), str(output)]

    def is_installed(self) -> bool:
        """Whether what it needs is there."""
        return not self.package or any(
            BENCH_ENV.glob(f"lib/python3*/site-packages/{self.package}/__init__.py")
        )


CONTESTANTS = {
    contestant.name: contestant
    for contestant in (
        Contestant(BARE, "bare loop, one process, full decode (the limit)"),
        Contestant(
            "inline", "this project, inline", check=CLOSE, ours=True, options=("-r", "inline")
        ),
        Contestant(
            "local-1",
            "this project, local, 1 process",
            check=CLOSE,
            ours=True,
            options=("-r", "local", "--num-cores", "1"),
        ),
        Contestant(
            "local",
            f"this project, local, {os.cpu_count()} processes",
            check=CLOSE,
            ours=True,
            options=("-r", "local", "--num-cores", str(os.cpu_count())),
        ),
        Contestant("joblib_", "joblib"),
        Contestant("daft_", "Daft", "daft"),
        Contestant("mrjob_json", "mrjob, JSON lines", options=("-r", "local")),
        Contestant("ray_data", "Ray Data", "ray", slow=True),
        Contestant("pyspark_", "PySpark", "pyspark", slow=True),
        Contestant("scikit_image", "scikit-image", "skimage", check=SHAPE, slow=True),
    )
}

"""A run: its facts in var/runs/<run_id>/run.json, and the manifests of the steps it has done."""

from __future__ import annotations

import json
import re
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mr_jobs.lib.errors import ConfigError
from pipeline.config import VAR, Config, fingerprint
from pipeline.stores import Store

RUNS = VAR / "runs"
_ONE_WRITER = threading.Lock()
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass
class Run:
    """The facts of a run, as they were when it began; going on uses the same."""

    run_id: str
    data: str  # directory of the data set; "sample" for the synthetic one
    runner: str
    config: dict[str, Any]
    created: str
    cluster: str = ""  # its name, on Hadoop
    cluster_options: dict[str, Any] = field(default_factory=dict)  # directory and port_base
    cluster_id: str | None = None  # of the cluster that this run made, and may destroy
    allow_damaged: bool = False
    images: str = ""  # name of the image store
    where: dict[str, str] = field(default_factory=dict)  # step to the condition on its images
    made_images: bool = False  # this run made it, so it may remove it
    finished: str = ""  # fingerprint of what the saved results are made from
    steps: dict[str, dict[str, Any]] = field(default_factory=dict)  # name to what it reported

    @property
    def dir(self) -> Path:
        """The run's own directory."""
        return RUNS / self.run_id

    def save(self) -> None:
        """Write run.json, whole or not at all."""
        with _ONE_WRITER:
            self.dir.mkdir(parents=True, exist_ok=True)
            part = self.dir / ".run.json.part"
            part.write_text(json.dumps(asdict(self), indent=1) + "\n", "utf-8")
            part.rename(self.dir / "run.json")

    def note_step(self, name: str, report: dict[str, Any]) -> None:
        """Keep what a step reported; steps side by side may do so at once."""
        with _ONE_WRITER:
            self.steps[name] = report
        self.save()

    def forget_work(self) -> None:
        """Remove the run's intermediate outputs on the local disk."""
        shutil.rmtree(self.dir / "work", ignore_errors=True)


def new_run_id(config: Config, data: str) -> str:
    """Make a run_id: UTC stamp and a hash of the facts."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    return f"{stamp}-{fingerprint([config.to_dict(), data, time.time_ns()])[:6]}"


def check_run_id(run_id: str) -> str:
    """Return a run_id that is fit to be the name of a directory, or raise a ConfigError."""
    if not _RUN_ID.fullmatch(run_id):
        raise ConfigError(f"not a run id: {run_id!r}; letters, digits, dot, dash, underscore")
    return run_id


def load_run(run_id: str) -> Run | None:
    """Read a run's facts; None if there is no such run."""
    path = RUNS / check_run_id(run_id) / "run.json"
    if not path.is_file():
        return None
    try:
        return Run(**json.loads(path.read_text("utf-8")))
    except (ValueError, TypeError, RecursionError) as error:
        raise ConfigError(
            f"{path}: not the facts of a run ({error}); remove {path.parent}"
        ) from error


def all_runs() -> Iterator[Run]:
    """Yield the runs, oldest first."""
    for path in sorted(RUNS.glob("*/run.json")):
        run = load_run(path.parent.name)
        if run:
            yield run


def read_manifest(store: Store, name: str) -> dict[str, Any] | None:
    """Read the manifest of a step's output directory; None if the output is not complete."""
    if not store.exists(f"{name}/_manifest.json"):
        return None
    with store.open(f"{name}/_manifest.json") as file:
        manifest: dict[str, Any] = json.load(file)
    return manifest


def write_manifest(store: Store, name: str, manifest: dict[str, Any]) -> None:
    """Mark a step's output as complete."""
    store.write(f"{name}/_manifest.json", [json.dumps(manifest, indent=1).encode()])

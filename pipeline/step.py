"""What a step is, when it is done, and how one is done again.

A step writes one directory, and last its manifest: the fingerprint of everything that its output
depends on, and its counts. A step whose manifest has the right fingerprint is not done again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from mr_jobs.lib.errors import ConfigError, JobError
from pipeline.cluster import Cluster
from pipeline.config import Config, fingerprint
from pipeline.hdfspath import HdfsPath
from pipeline.progress import Progress
from pipeline.rawdata import RawData, RawPath, RawSource, find_raw_data
from pipeline.runs import Run, read_manifest, write_manifest
from pipeline.stores import HdfsStore, LocalStore, Store


@dataclass
class Context:
    """What a step needs to know: the run, its settings, where its directories are, its cluster."""

    run: Run
    config: Config
    store: Store
    cluster: Cluster | None

    @cached_property
    def data(self) -> RawData:
        """The raw data, looked at once."""
        return find_raw_data(self._root(), allow_damaged=self.run.allow_damaged)

    def _root(self) -> RawPath:
        if not self.run.data.startswith("hdfs:"):
            return Path(self.run.data)
        if not isinstance(self.store, HdfsStore):
            raise ConfigError(f"--data {self.run.data} needs --runner hadoop")
        return HdfsPath.parse(self.run.data, self.store)

    @cached_property
    def data_facts(self) -> list[object]:
        """What changes when the raw data do: sizes and times of the files, looked at once."""
        return [[*source[:2], source.offset, *_changes(source)] for source in self.data.sources]

    def store_of(self, step: Step) -> Store:
        """Return where a step's output is."""
        return LocalStore(self.run.dir) if step.local else self.store


def _changes(source: RawSource) -> tuple[object, ...]:
    """Return path, number of files, their bytes and their last change in nanoseconds."""
    if source.length >= 0 or isinstance(source.path, HdfsPath):
        files = [source.path.stat()]
    else:
        files = [path.stat() for path in source.path.rglob("*")]
    sizes, times = [f.st_size for f in files], [f.st_mtime_ns for f in files]
    return str(source.path), source.length, len(files), sum(sizes), max(times, default=0)


@dataclass(frozen=True)
class Step:
    """One step: its name and verb, the directory it makes, what it needs, and how it is done.

    `facts` returns what the output depends on besides the needed steps' outputs; `run` returns
    what the manifest says. The output of a `local` step is in the run's own directory on every
    runner.
    """

    name: str
    help: str
    makes: str
    needs: tuple[Step, ...]
    facts: Callable[[Context], object]
    run: Callable[[Context, Progress], dict[str, Any]]
    local: bool = False


def step_fingerprint(step: Step, context: Context) -> str:
    """Hash everything that a step's output depends on."""
    needed = [step_fingerprint(need, context) for need in step.needs]
    return fingerprint([step.name, step.facts(context), needed])


def is_done(step: Step, context: Context) -> dict[str, Any] | None:
    """Return the manifest of a step that is complete for the same inputs and settings, or None."""
    manifest = read_manifest(context.store_of(step), step.makes)
    if manifest and manifest["fingerprint"] == step_fingerprint(step, context):
        return manifest
    return None


def do_step(step: Step, context: Context, progress: Progress) -> dict[str, Any]:
    """Do a step, whatever is there of its output; return its manifest.

    Raises
    ------
    ConfigError
        If a step that it needs is not done.
    JobError
        If the counts do not add up.
    """
    for need in step.needs:
        if is_done(need, context) is None:
            raise ConfigError(
                f"{step.name} needs the output of {need.name}; run "
                f"`bin/pipeline {need.name} --run-id {context.run.run_id}` first"
            )
    store = context.store_of(step)
    store.delete(step.makes)
    report = step.run(context, progress)
    manifest = {"fingerprint": step_fingerprint(step, context), **report}
    write_manifest(store, step.makes, manifest)
    return manifest


def manifest_of(step: Step, context: Context) -> dict[str, Any]:
    """Return the manifest of a step that was done before."""
    manifest = is_done(step, context)
    if manifest is None:
        raise JobError(f"the output of {step.name} vanished while the run went on")
    return manifest


def counts_of(step: Step, context: Context) -> dict[str, int]:
    """Return the counts of a job that was run before."""
    counts: dict[str, int] = manifest_of(step, context)["counts"]
    return counts

"""What a step is, when it is done, and how one is done again.

A step writes one directory, and last its manifest: the fingerprint of everything that its output
depends on, and its counts. A step whose manifest has the right fingerprint is not done again.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from mr_jobs.lib.errors import ConfigError, JobError
from pipeline.cluster import Cluster
from pipeline.config import Config, fingerprint
from pipeline.hdfspath import HdfsPath
from pipeline.images import Images, writing
from pipeline.job_watch import explained
from pipeline.layouts import RawData, RawPath, find_raw_data
from pipeline.ledger import Ledger
from pipeline.progress import Progress
from pipeline.raw_members import SourceFacts, facts_of
from pipeline.runs import Run, read_manifest, write_manifest
from pipeline.stores import HdfsStore, LocalStore, Store


@dataclass
class Context:
    """What a step needs to know: the run, its settings, where its outputs and its images are.

    `jobs` gets what each of the step's jobs cost, see `pipeline.jobs.JobResult`.
    """

    run: Run
    config: Config
    store: Store
    images: Images
    jobs: list[dict[str, Any]] = field(default_factory=list)

    @property
    def cluster(self) -> Cluster | None:
        """The cluster that the jobs run on; None for this machine."""
        return self.images.cluster

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
    def source_facts(self) -> dict[str, SourceFacts]:
        """What changes when a raw source does, by its name; looked at once."""
        return {source.name: facts_of(source) for source in self.data.sources}

    @cached_property
    def annotation_facts(self) -> list[object]:
        """What changes when the annotations or the synsets do."""
        data = self.data
        return [
            [[str(a.path), a.kind, a.path.stat().st_mtime_ns] for a in data.annotations],
            fingerprint([data.words, data.ilsvrc_ids]),
        ]

    def data_fingerprint(self) -> str:
        """Return what changes when the raw data do."""
        return fingerprint([self.source_facts, self.annotation_facts])

    def ledger(self) -> Ledger:
        """Read what the image store holds."""
        return Ledger.load(self.images.store)

    def store_of(self, step: Step) -> Store:
        """Return where a step's output is."""
        if step.place == "images":
            return self.images.store
        return LocalStore(self.run.dir) if step.place == "run" else self.store


@dataclass(frozen=True)
class Step:
    """One step: its name and verb, the directory it makes, what it needs, and how it is done.

    `facts` returns what the output depends on besides the needed steps' outputs; `run` returns
    what the manifest says. `place` says where the output is: in the image store, to which the step
    adds; with the runner's outputs; or in the run's own directory on every runner. `pending` says
    whether there is more to add than the manifest knows; `idle` whether the settings leave nothing
    to do, so that the output depends on no other step.
    """

    name: str
    help: str
    makes: str
    needs: tuple[Step, ...]
    facts: Callable[[Context], object]
    run: Callable[[Context, Progress], dict[str, Any]]
    place: Literal["images", "runner", "run"] = "runner"
    pending: Callable[[Context], bool] = lambda _: False
    idle: Callable[[Context], bool] = lambda _: False


def step_fingerprint(step: Step, context: Context) -> str:
    """Hash everything that a step's output depends on."""
    needed = [] if step.idle(context) else [step_fingerprint(n, context) for n in step.needs]
    return fingerprint([step.name, step.facts(context), needed])


def is_done(step: Step, context: Context) -> dict[str, Any] | None:
    """Return the manifest of a step that is complete for the same inputs and settings, or None."""
    manifest = read_manifest(context.store_of(step), step.makes)
    if manifest and manifest["fingerprint"] == step_fingerprint(step, context):
        return None if step.pending(context) else manifest
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
    for need in () if step.idle(context) else step.needs:
        if not need.idle(context) and is_done(need, context) is None:
            raise ConfigError(
                f"{step.name} needs the output of {need.name}; run "
                f"`bin/pipeline {need.name} --run-id {context.run.run_id}` first"
            )
    store = context.store_of(step)
    adds = step.place == "images"
    with writing(context.images) if adds else nullcontext():
        store.delete(f"{step.makes}/_manifest.json" if adds else step.makes)
        with explained(context.cluster):
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

"""Bring raw images to where the jobs run and plan the bundles.

No image is ever unpacked: the tars inside a tar are sent as the range of bytes they are, folders as
a tar made on the way; what is on the runner's own disk or in its HDFS already is not sent at all.
The plan cuts between images, so that a bundle is at most one HDFS block; a task then reads just its
ranges. Memory is bounded by the images of a group of sources, about eight bundles.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path

from mr_jobs.lib.errors import ConfigError
from pipeline.annotations import write_tables
from pipeline.bundle_plan import BundlePlan
from pipeline.group_plan import GroupPlan, uri_of
from pipeline.hdfspath import HdfsPath
from pipeline.in_order import InOrder
from pipeline.known import KnownImages
from pipeline.landed import expect_uncatalogued
from pipeline.layouts import RawData, RawPath, RawSource
from pipeline.ledger import Batch, Ledger
from pipeline.progress import Progress
from pipeline.raw_members import SourceFacts
from pipeline.raw_tar_stream import TarOfFiles
from pipeline.stores import LocalStore, Store

_MB = 1 << 20
GROUP_BUNDLES = 8
_MIN_PLAN_BYTES = 4096
_WAITING = 4  # parts and groups that are planned but not written yet
_SAVE_EVERY_S = 1.0
_GAP_BYTES = 10 << 10  # between two tars in a tar: padding, and the second one's header


Facts = dict[str, SourceFacts]  # by the source's name


def new_sources(data: RawData, ledger: Ledger, facts: Facts) -> list[RawSource]:
    """List the sources that an image store does not hold as they are now."""
    known = ledger.sources
    return [s for s in data.sources if known.get(s.name) != list(facts[s.name])]


def ingest(
    data: RawData,
    store: Store,
    bundle_bytes: int,
    progress: Progress,
    *,
    facts: Facts,
    annotation_facts: object,
    allow_damaged: bool,
) -> Ledger:
    """Bring what is new of a data set into an image store, and plan its bundles.

    Writes raw parts to `raw/` and plans to `plan/`, for the job that makes the bundles; a line a
    member that is no image to `refused/`, the known wnids to `side/synsets.txt`, and the tables
    `boxes/` and `synsets/`.

    Parameters
    ----------
    facts : of each source, by its name, from `raw_members.facts_of`.
    annotation_facts : what changes when the annotations do, as a JSON value.

    Raises
    ------
    ConfigError
        If the image store is of another data set.
    DataError
        If a tar is damaged.
    """
    ledger = Ledger.load(store)
    _check_root(ledger, data)
    sources = new_sources(data, ledger, facts)
    if sources:
        work = _Ingest(data, store, bundle_bytes, progress, ledger, facts, allow_damaged)
        work.take(sources)
        store.write("side/synsets.txt", (f"{wnid}\n".encode() for wnid in data.words))
    for batch in ledger.batches:
        if batch.state == "open":
            _equalise(store, batch)
            batch.state = "planned"
    tables = ledger.tables_of(annotation_facts)
    if ledger.tables != tables:
        write_tables(
            data,
            store,
            progress,
            classes=set(ledger.counted("classes")),
            allow_damaged=allow_damaged,
        )
        ledger.tables = tables
    ledger.save(store)
    return ledger


def grouped(
    sources: Sequence[RawSource],
    facts: Facts,
    most_bytes: int,
    together: Callable[[RawSource, RawSource], bool],
) -> Iterator[list[RawSource]]:
    """Cut a list of sources where they do not belong together, or become too much."""
    group: list[RawSource] = []
    size = 0
    for before, source in pairwise([sources[0], *sources]):
        n_bytes = facts[source.name].n_bytes
        if group and (size + n_bytes > most_bytes or not together(before, source)):
            yield group
            group, size = [], 0
        group.append(source)
        size += n_bytes
    yield group


class _Ingest:
    """One ingest at work: what is brought where, and what is known of it so far."""

    def __init__(
        self,
        data: RawData,
        store: Store,
        bundle_bytes: int,
        progress: Progress,
        ledger: Ledger,
        facts: Facts,
        allow_damaged: bool,
    ) -> None:
        self._data = data
        self._store = store
        self._bundle_bytes = bundle_bytes
        self._progress = progress
        self._ledger = ledger
        self._allow_damaged = allow_damaged
        self._batch = ledger.open_batch()
        self._known = KnownImages(store)
        self._facts = facts
        self._done_bytes = 0
        self._saved_s = time.monotonic()

    def take(self, sources: Sequence[RawSource]) -> None:
        """Send and plan the sources, group by group; a group that is whole is in the ledger.

        What is planned here is sent and written by one other thread, in the same order.
        """
        if any(source.kind == "landing" for source in sources):
            expect_uncatalogued(self._known, self._store, self._ledger, self._data)
        total = sum(self._facts[source.name].n_bytes for source in sources)
        most_bytes = self._bundle_bytes * GROUP_BUNDLES
        groups = grouped(sources, self._facts, most_bytes, same_split)
        with InOrder(_WAITING) as self._writing:
            for group in groups:
                plan = self._plan_group(group)
                self._writing.submit(partial(self._finish_group, group, plan, total))
        self._ledger.save(self._store)

    def _plan_group(self, sources: Sequence[RawSource]) -> GroupPlan:
        bundles = BundlePlan(self._bundle_bytes, self._bytes_of(sources))
        group = GroupPlan(bundles, self._data, self._known, self._allow_damaged)
        for part in grouped(sources, self._facts, self._bundle_bytes, self._one_part):
            self._take_part(part, group)
        return group

    def _finish_group(self, sources: Sequence[RawSource], group: GroupPlan, total: int) -> None:
        """Write the plans of a group whose parts are there, and note it in the ledger."""
        batch = self._batch
        for plan in group.bundles.finish():
            name = f"{len(batch.plans):05d}.json"
            batch.plans[name] = _write_plan(self._store, batch, name, plan.to_line())
        if group.refused:
            self._store.write(
                f"refused/{batch.name}-{batch.groups:05d}.tsv", [group.refused_lines.getvalue()]
            )
        batch.groups += 1
        batch.images += group.images
        batch.raw_bytes += self._bytes_of(sources)
        batch.known += group.known
        batch.classes += group.classes
        batch.refused += group.refused
        for source in sources:
            self._ledger.sources[source.name] = list(self._facts[source.name])
        self._ledger.save(self._store)
        self._done_bytes += self._bytes_of(sources)
        self._progress.update(self._done_bytes // _MB, total // _MB, "MB")

    def _bytes_of(self, sources: Sequence[RawSource]) -> int:
        return sum(self._facts[source.name].n_bytes for source in sources)

    def _one_part(self, before: RawSource, source: RawSource) -> bool:
        """Say whether two sources can be sent as one file."""
        if self._in_place(source.path):
            return False
        if source.kind == "folder" or before.kind == "folder":
            return source.kind == before.kind
        gap = source.offset - (before.offset + before.length)
        return source.path == before.path and 0 <= gap <= _GAP_BYTES

    def _in_place(self, path: RawPath) -> bool:
        """Say whether the jobs can read it where it is."""
        return isinstance(path, HdfsPath) or isinstance(self._store, LocalStore)

    def _take_part(self, part: Sequence[RawSource], group: GroupPlan) -> None:
        first = part[0]
        name = f"raw/{self._batch.name}/{first.name.replace('/', '-')}"
        before = group.images
        if self._in_place(first.path):
            group.plan_source(first, uri_of(first.path), 0)
        elif first.kind == "folder":
            files = TarOfFiles()
            for source in part:
                group.plan_source(source, self._store.uri(name), 0, files)
            if group.images > before:
                self._send(name, part, lambda: self._store.write(name, files.chunks()))
        else:
            all_new = not len(self._known)  # then it is sent while it is planned
            if all_new:
                self._send_range(name, part)
            for source in part:
                group.plan_source(source, self._store.uri(name), -first.offset)
            if not all_new and group.images > before:
                self._send_range(name, part)

    def _send_range(self, name: str, part: Sequence[RawSource]) -> None:
        path, offset = part[0].path, part[0].offset
        length = part[-1].offset + part[-1].length - offset
        assert isinstance(path, Path)  # noqa: S101  # what is in HDFS stays in place
        self._send(name, part, lambda: self._store.send(name, path, offset, length))

    def _send(self, name: str, part: Sequence[RawSource], send: Callable[[], None]) -> None:
        """Send a part while others are planned, unless an interrupted ingest sent it."""
        facts = [list(self._facts[source.name]) for source in part]
        if self._batch.parts.get(name) != facts:
            self._writing.submit(partial(self._note_sent, name, facts, send))

    def _note_sent(self, name: str, facts: object, send: Callable[[], None]) -> None:
        """Send a part; note so in the ledger, but not more often than every second."""
        send()
        self._batch.parts[name] = facts
        if time.monotonic() - self._saved_s >= _SAVE_EVERY_S:
            self._ledger.save(self._store)
            self._saved_s = time.monotonic()


def _check_root(ledger: Ledger, data: RawData) -> None:
    """Refuse to mix two data sets; one that was moved is still the same."""
    root = str(data.root)
    if ledger.root not in ("", root) and (
        ledger.root.startswith("hdfs:") or Path(ledger.root).exists()
    ):
        raise ConfigError(
            f"this image store is of {ledger.root}, not of {root}; give another one with --images, "
            "or put the new images into that data set"
        )
    ledger.root = root


def same_split(before: RawSource, source: RawSource) -> bool:
    """Say whether the images of two sources may share a bundle."""
    return before.split == source.split


def _write_plan(store: Store, batch: Batch, name: str, line: str) -> int:
    """Write a plan, padded to a power of two; return its size in bytes."""
    size = max(_MIN_PLAN_BYTES, 1 << len(line).bit_length())
    store.write(f"plan/{batch.name}/{name}", [line.ljust(size - 1).encode(), b"\n"])
    return size


def _equalise(store: Store, batch: Batch) -> None:
    """Make the plans one size: Hadoop starts, and numbers, the largest input split first."""
    size = max(batch.plans.values(), default=0)
    for name, found in batch.plans.items():
        if found != size:
            path = f"plan/{batch.name}/{name}"
            with store.open(path) as file:
                line = file.read().rstrip()
            store.write(path, [line.ljust(size - 1), b"\n"])
            batch.plans[name] = size

"""Images of landing files that an image store holds, or will hold, but not in its catalogue.

Flume delivers an image at least once: after a crash the same one may be in two landing files. Of
those that were ingested before, the catalogue tells; of a batch that was interrupted before its
catalogue was written, the plans or the bundles do.
"""

from __future__ import annotations

from functools import partial

from mr_jobs.lib.rawtar import Plan, RawRange, key_of
from mr_jobs.lib.sequencefile import Reader
from pipeline.group_plan import uri_of
from pipeline.known import KnownImages, content_hash
from pipeline.layouts import RawData, RawPath
from pipeline.ledger import Batch, Ledger
from pipeline.stores import Store


def expect_uncatalogued(known: KnownImages, store: Store, ledger: Ledger, data: RawData) -> None:
    """Make the images of batches without a catalogue known; nothing to do after a whole ingest."""
    for batch in ledger.batches:
        if batch.catalogued is None and batch.state == "bundled":
            _expect_bundled(known, store, batch)
        elif batch.catalogued is None:
            _expect_planned(known, store, batch, data)


def _expect_bundled(known: KnownImages, store: Store, batch: Batch) -> None:
    for name in store.files("bundles"):
        if name.startswith(f"bundles/{batch.name}-"):
            with store.open(name) as file:
                for record in Reader(file, store.uri(name)).records():
                    key = record.key.decode() if isinstance(record.key, bytes) else str(record.key)
                    assert isinstance(record.value, bytes)  # noqa: S101  # as in all bundles
                    known.expect(key, partial(int, content_hash(record.value)))


def _expect_planned(known: KnownImages, store: Store, batch: Batch, data: RawData) -> None:
    paths = {uri_of(source.path): source.path for source in data.sources}
    synsets = frozenset(data.words) if data.words else None
    for name in batch.plans:
        with store.open(f"plan/{batch.name}/{name}") as file:
            plan = Plan.from_line(file.read().decode())
        for raw in plan.ranges:
            if raw.kind == "file" and raw.uri in paths:
                key = key_of(raw, raw.name, plan.labels, synsets)
                known.expect(str(key), partial(_content, paths[raw.uri], raw))


def _content(path: RawPath, raw: RawRange) -> int:
    with path.open("rb") as file:
        file.seek(raw.offset)
        return content_hash(file.read(raw.length))

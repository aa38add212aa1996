"""The steps from raw images to feature vectors, most of them MapReduce jobs.

After every job the counts must add up: what went in was kept or quarantined.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from mr_jobs.image_job import ImageJob
from mr_jobs.lib.errors import DataError
from mr_jobs.lib.imagenet import UNLABELLED
from mr_jobs.lib.shown import shown
from mr_jobs.mr_bundle_images import MRBundleImages
from mr_jobs.mr_catalog_images import MRCatalogImages
from mr_jobs.mr_put_images import MRPutImages
from pipeline import catalog, hbase_store
from pipeline.image_jobs import LISTS, input_of_batch
from pipeline.ingest import ingest, new_sources
from pipeline.layouts import RawData
from pipeline.ledger import Batch, Ledger
from pipeline.progress import Progress
from pipeline.run_cluster import existing_cluster
from pipeline.step import Context, Step
from pipeline.step_job import check_counts, run_step_job
from pipeline.stores import Store

_MB = 1 << 20


def _pending(context: Context) -> bool:
    ledger = context.ledger()
    return (
        hbase_store.is_other(context.images, context.config.data.store)  # the step refuses it
        or any(batch.state == "open" for batch in ledger.batches)
        or ledger.tables != ledger.tables_of(context.annotation_facts)
        or bool(new_sources(context.data, ledger, context.source_facts))
    )


def _ingest(context: Context, progress: Progress) -> dict[str, Any]:
    run = context.run
    hbase_store.choose(
        context.images,
        context.config.data.store,
        lambda: existing_cluster(run) if run.cluster else None,
    )
    ledger = ingest(
        context.data,
        context.images.store,
        context.config.data.bundle_mb * _MB,
        progress,
        facts=context.source_facts,
        annotation_facts=context.annotation_facts,
        allow_damaged=context.run.allow_damaged,
    )
    classes = ledger.counted("classes")
    context.data.warnings.extend(_class_warnings(context.data, classes))
    warnings = [shown(warning) for warning in context.data.warnings]  # they quote names
    for warning in warnings:
        progress.note(f"warning: {warning}")
    return {
        "images": ledger.total("images"),
        "known": ledger.total("known"),
        "raw_bytes": ledger.total("raw_bytes"),
        "refused": dict(ledger.counted("refused")),
        "classes": dict(classes),
        "layout": context.data.layout,
        "warnings": warnings,
    }


def _class_warnings(data: RawData, classes: Counter[str]) -> Iterator[str]:
    for source in data.sources:
        if source.split == "train" and source.wnid and not classes[source.wnid]:
            yield f"class {source.wnid} has no training image"
    unknown = sorted(set(classes) - set(data.words) - {UNLABELLED, ""}) if data.words else []
    if unknown:
        yield (
            f"{', '.join(unknown[:5])}: not among the known synsets, so the images of "
            f"{len(unknown)} class(es) are quarantined"
        )


def _bundle(context: Context, progress: Progress) -> dict[str, Any]:
    ledger, store = context.ledger(), context.images.store
    side_files = ["--synsets", store.uri("side/synsets.txt")] if context.data.words else []
    if context.cluster:
        side_files += ["--webhdfs", context.cluster.webhdfs_url]
    place = hbase_store.place_of(context.images)
    table: dict[str, Any] = {}
    if place:
        table = {"table": place.table, "table_s": _make_table(place, ledger, progress)}
    for batch in ledger.batches:
        if batch.state != "planned":
            continue
        if not batch.images:  # all that was new of it was refused
            batch.state = "bundled"
            ledger.save(store)
            continue
        for name in _of_batch(store, "bundles", batch):
            store.delete(name)  # of a bundling that was interrupted
        plan, made = f"plan/{batch.name}", f"work/bundles-{batch.name}"
        followed = ("bundled", batch.images)
        job: type[ImageJob] = MRPutImages if place else MRBundleImages
        args = ["--hbase", str(place.address), "--batch", batch.name] if place else []
        counts = run_step_job(
            context, progress, BUNDLE, job, [store.uri(plan)], followed, [*side_files, *args],
            into=(store, made),
        )  # fmt: skip
        found = {"bundled": counts.get("bundled", 0)}
        check_counts("bundle", "images of the raw sources", batch.images, found)
        if place:
            store.delete(made)
        else:
            _move(store, made, "bundles", batch, ".seq")
        batch.state = "bundled"
        batch.counts = Counter(counts)
        ledger.save(store)
        store.delete(plan)
        store.delete(f"raw/{batch.name}")  # from here on the images are stored once
    bundles = len(store.files("bundles"))
    return {"counts": dict(ledger.counted("counts")), "bundles": bundles, **table}


def _make_table(place: hbase_store.Place, ledger: Ledger, progress: Progress) -> float:
    """Make the table for images that are planned, unless it is there; return the seconds."""
    if not any(batch.state == "planned" and batch.images for batch in ledger.batches):
        return 0.0
    began = progress.seconds
    fresh = not any(batch.state == "bundled" and batch.images for batch in ledger.batches)
    if hbase_store.make_table(place, fresh=fresh):
        progress.note(f"table {place.table} of HBase, in {hbase_store.REGIONS} regions")
    return round(progress.seconds - began, 1)


def _catalog(context: Context, progress: Progress) -> dict[str, Any]:
    ledger, store = context.ledger(), context.images.store
    args = features_option(context)
    settings = context.config.features.decoding()
    for batch in ledger.batches:
        if not batch.images or batch.catalogued == settings:
            continue
        for name in _of_batch(store, "catalog", batch):
            store.delete(name)  # of other settings, or interrupted
        made = f"work/catalog-{batch.name}"
        reads = input_of_batch(context.images, batch)
        counts = run_step_job(
            context, progress, CATALOG, MRCatalogImages, reads.uris, ("catalogued", batch.images),
            [*args, *reads.args], into=(store, made), jobconf=reads.jobconf,
        )  # fmt: skip
        parts = {name: counts.get(name, 0) for name in ("kept", "quarantined")}
        check_counts("catalog", "bundled", batch.images, parts)
        _move(store, made, "catalog", batch, ".tsv")
        store.delete(LISTS)
        batch.catalogued = settings
        batch.catalog_counts = Counter(counts)
        ledger.save(store)
    summary = catalog.summarise(store, context.run.dir)
    check_counts("catalog", "catalogued", ledger.total("images"), {"rows": summary["rows"]})
    if not summary["rows"]:
        refused = ledger.counted("refused").total()
        raise DataError(
            f"{context.data.root}: holds no image that can be stored ({refused} refused, which "
            "`bin/pipeline quarantine list` names); put images into it, and run again"
        )
    return {"counts": dict(ledger.counted("catalog_counts")), **summary}


def features_option(context: Context) -> list[str]:
    """Tell a job how images are decoded, and what is computed of them."""
    return ["--features", json.dumps(context.config.features.to_dict(), separators=(",", ":"))]


def _of_batch(store: Store, folder: str, batch: Batch) -> list[str]:
    return [name for name in store.files(folder) if name.startswith(f"{folder}/{batch.name}-")]


def _move(store: Store, made: str, folder: str, batch: Batch, suffix: str) -> None:
    """Put a job's output files into a folder of all batches, and forget the job's directory."""
    for number, name in enumerate(store.files(made)):
        store.rename(name, f"{folder}/{batch.name}-{number:05d}{suffix}")
    store.delete(made)


INGEST = Step(
    "ingest",
    "bring what is new of the raw images to the runner and plan the bundles",
    "ingest",
    (),
    lambda context: context.ledger().fingerprint(),
    _ingest,
    place="images",
    pending=_pending,
)
BUNDLE = Step(
    "bundle",
    "job: raw images to SequenceFiles of byte-identical images",
    "bundles",
    (INGEST,),
    lambda context: None,
    _bundle,
    place="images",
)
CATALOG = Step(
    "catalog",
    "job: one row an image, with what is wrong with it",
    "catalog",
    (BUNDLE,),
    lambda context: context.config.features.decoding(),
    _catalog,
    place="images",
)

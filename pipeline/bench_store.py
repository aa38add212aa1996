"""Measure bundles and HBase as image stores: the same images, by the pipeline's own steps.

`put` is the step bundle's job, `scan by a job` that of `verify`, `scan by one reader` a loop in
this process, and a get what `bin/pipeline get` does for images that are anywhere.
"""

from __future__ import annotations

import hashlib
import heapq
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mr_jobs.hbase_images import scan_images
from mr_jobs.lib.errors import DataError
from mr_jobs.lib.hbase_rows import N_SALTS, SaltRange
from mr_jobs.lib.records import CatalogRow, order_free_digest
from mr_jobs.lib.sequencefile import Reader
from pipeline import catalog, hbase_store
from pipeline.cluster import Cluster
from pipeline.config import STORES, Config
from pipeline.features_step import FEATURES
from pipeline.full import some_steps
from pipeline.images import Images, images_at
from pipeline.progress import Progress
from pipeline.reading import Traffic, read_images
from pipeline.runs import Run
from pipeline.stores import HdfsStore
from pipeline.verify_command import verify

N_GETS = 100
_TIMES = 3  # the gets, each of other images; the median counts


def measure(
    cluster: Cluster, data: Path, config: Config, n_bytes: int, *, features: bool, keep: bool
) -> dict[str, Any]:
    """Store the images of a data set in both and measure; remove them again unless `keep`.

    Returns
    -------
    For `bundles` and `hbase` a dict each: table_s: of making the table, which put_s is without;
    put_s, put_images_s, put_mb_s; flush_s; flushed_bytes and disk_bytes: in HDFS after the flush
    and at the end; catalog_s; job_scan_s, job_scan_mb_s; reader_scan_s, reader_scan_mb_s; gets_s:
    of 100 images. MB are 10^6 bytes of images. And same_rows: whether both catalogues say the same
    but for the place; with `features`, same_features: whether all vectors are the same, and
    features_s in the dicts.
    """
    found: dict[str, Any] = {}
    digests, vectors = [], []
    for kind in STORES:
        run = _run(cluster, data, config, kind)
        images = images_at(run.images, cluster)
        with _removed(run, images, keep=keep):
            found[kind] = _of_store(cluster, run, images, n_bytes)
            digests.append(_digest(images))
            if features:
                some_steps(["features"], run)
                found[kind]["features_s"] = run.steps["features"]["seconds"]
                vectors.append(_digest_of_vectors(cluster, run))
    same = {"same_features": vectors[0] == vectors[1]} if features else {}
    return {**found, "same_rows": digests[0] == digests[1], **same}


def _run(cluster: Cluster, data: Path, config: Config, kind: str) -> Run:
    name = f"bench-{kind}"
    settings = replace(config, data=replace(config.data, store=kind)).to_dict()
    run = Run(
        run_id=name,
        data=str(data),
        runner="hadoop",
        config=settings,
        created="",
        cluster=cluster.name,
        cluster_options={"directory": str(cluster.dir)},
        images=name,
    )
    run.save()
    return run


@contextmanager
def _removed(run: Run, images: Images, *, keep: bool) -> Iterator[None]:
    hbase_store.remove(images)  # of a measurement that was killed
    try:
        yield
    finally:
        if not keep:
            hbase_store.remove(images)
            shutil.rmtree(images.cache, ignore_errors=True)
            cluster = images.cluster
            if cluster:
                hdfs = HdfsStore(cluster.webhdfs_url, cluster.fs_uri, cluster.in_hdfs("runs"))
                hdfs.delete(run.run_id)
            shutil.rmtree(run.dir, ignore_errors=True)


def _of_store(cluster: Cluster, run: Run, images: Images, n_bytes: int) -> dict[str, Any]:
    some_steps(["ingest", "bundle"], run)
    table_s = run.steps["bundle"].get("table_s", 0.0)
    put_s = round(run.steps["bundle"]["seconds"] - table_s, 1)
    n_images = run.steps["bundle"]["counts"]["bundled"]
    flush_s = _flush(cluster, images)
    flushed_bytes = _disk_bytes(cluster, images)
    some_steps(["catalog"], run)
    with Progress("verify") as progress:
        sound = verify(images, "hadoop", progress)
        job_scan_s = progress.seconds
    if sound["differing"] or sound["verified"] != n_images:
        raise DataError(f"bench-store: {images.name} is not as catalogued; `bin/pipeline verify`")
    with Progress("scan") as progress:
        n_read = _read_all(images)
        reader_scan_s = progress.seconds
    if n_read != n_bytes:
        raise DataError(f"bench-store: {n_read} bytes were read of {n_bytes} in {images.name}")
    mb = n_bytes / 1e6
    return {
        "table_s": table_s,
        "put_s": put_s,
        "put_images_s": round(n_images / put_s, 1),
        "put_mb_s": round(mb / put_s, 1),
        "flush_s": flush_s,
        "flushed_bytes": flushed_bytes,
        "catalog_s": run.steps["catalog"]["seconds"],
        "job_scan_s": round(job_scan_s, 1),
        "job_scan_mb_s": round(mb / job_scan_s, 1),
        "reader_scan_s": round(reader_scan_s, 1),
        "reader_scan_mb_s": round(mb / reader_scan_s, 1),
        "gets_s": _gets(images),
        "disk_bytes": _disk_bytes(cluster, images),
    }


def _flush(cluster: Cluster, images: Images) -> float:
    """Write what HBase holds in memory; return the seconds."""
    place = hbase_store.place_of(images)
    if place is None:
        return 0.0
    began = time.monotonic()
    hbase_store.shell(cluster, f"flush {place.table!r}")
    return round(time.monotonic() - began, 1)


def _disk_bytes(cluster: Cluster, images: Images) -> int:
    """Return the bytes of a store in HDFS.

    HBase keeps the files that a compaction has put together for two minutes more
    (hbase.hfile.compaction.discharger.interval).
    """
    hdfs = HdfsStore(cluster.webhdfs_url, cluster.fs_uri, "/")
    place = hbase_store.place_of(images)
    if place is None:
        return int(hdfs.summary(urlsplit(images.store.uri("bundles")).path[1:])["length"])
    root = f"{cluster.hbase_root}".lstrip("/")
    folders = [f"{root}/{part}/default/{place.table}" for part in ("data", "mobdir/data")]
    return sum(int(hdfs.summary(folder)["length"]) for folder in folders)


def _read_all(images: Images) -> int:
    """Read every image in the store's own order, by one connection; return the bytes."""
    place = hbase_store.place_of(images)
    if place:
        with place.open() as table:
            everything = SaltRange(0, N_SALTS - 1, None)
            return sum(len(image.encoded) for image in scan_images(table, everything))
    n_bytes = 0
    for name in images.store.files("bundles"):
        with images.store.open(name) as file:
            values = (record.value for record in Reader(file, name).records())
            n_bytes += sum(len(value) for value in values if isinstance(value, bytes))
    return n_bytes


def _gets(images: Images) -> float:
    """Return the seconds of getting 100 images at random places, the median of three."""
    seconds = []
    for turn in range(_TIMES):
        order = partial(_place_in_turn, turn)  # the same images in both stores
        asked = heapq.nsmallest(N_GETS, catalog.rows(images.store), key=order)
        began = time.monotonic()
        problems = [found.problem for found in read_images(images, asked, Traffic())]
        seconds.append(time.monotonic() - began)
        if any(problems):
            raise DataError(f"bench-store: {next(filter(None, problems))}")
    return round(sorted(seconds)[_TIMES // 2], 3)


def _place_in_turn(turn: int, row: CatalogRow) -> bytes:
    return hashlib.sha256(f"{turn}/{row.key}".encode()).digest()


def _digest(images: Images) -> str:
    """Hash the catalogue's rows without the places of the images."""
    rows = catalog.rows(images.store)
    bare = (row._replace(bundle="", offset=None, length=None) for row in rows)
    return order_free_digest(row.to_line() for row in bare)


def _digest_of_vectors(cluster: Cluster, run: Run) -> str:
    """Hash the keys and vectors that a run computed, whatever their order."""
    runs = cluster.in_hdfs("runs", run.run_id)
    store = HdfsStore(cluster.webhdfs_url, cluster.fs_uri, runs)

    def items() -> Iterator[str]:
        for name in store.files(FEATURES.makes):
            with store.open(name) as file:
                for record in Reader(file, name).records():
                    if isinstance(record.value, bytes):
                        yield f"{record.key!r} {hashlib.sha256(record.value).hexdigest()}"

    return order_free_digest(items())

"""What a job over images reads: bundles, or ranges of the rows of a table of HBase."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from typing import NamedTuple

from mr_jobs.job import BundleInput
from mr_jobs.lib.hbase_rows import N_SALTS, SaltRange, divide, salt_of_place
from pipeline import hbase_store, yarn
from pipeline.hbase_store import Place
from pipeline.images import Images
from pipeline.ledger import Batch, Ledger
from pipeline.stores import Store
from pipeline.task_sizes import count_tasks

LISTS = "work/rows"


class JobInput(NamedTuple):
    """The inputs of a job by their URIs, the options that belong to them, and Hadoop's settings."""

    uris: list[str]
    args: list[str]
    jobconf: list[str]


def job_input(
    images: Images, lists: Store, folder: str, bundles: Collection[str] | None = None
) -> JobInput:
    """Return what a job reads of an image store.

    Parameters
    ----------
    lists, folder : where lists of ranges are written if the images are rows.
    bundles : the names, as the catalogue has them, of what holds the images that are wanted; None
        for all.
    """
    place = hbase_store.place_of(images)
    if place is None:
        return _bundles(images.store, bundles)
    salts: Iterable[int] = range(N_SALTS)
    if bundles is not None:
        salts = {salt_of_place(bundle) for bundle in bundles}
    ledger = Ledger.load(images.store)
    return _ranges(place, images, (lists, folder), salts, ledger.batches)


def input_of_batch(images: Images, batch: Batch) -> JobInput:
    """Return what a job reads of one batch of an image store."""
    store, place = images.store, hbase_store.place_of(images)
    if place is None:
        files = store.files("bundles")
        return JobInput(
            [store.uri(file) for file in files if file.startswith(f"bundles/{batch.name}-")], [], []
        )
    alone = [each for each in Ledger.load(store).batches if each.images] == [batch]
    only = None if alone else batch.name
    lists = (store, f"{LISTS}/{batch.name}")
    return _ranges(place, images, lists, range(N_SALTS), [batch], only)


def _bundles(store: Store, wanted: Collection[str] | None) -> JobInput:
    names = store.files("bundles")
    chosen = [n for n in names if wanted is None or n.rpartition("/")[2] in wanted]
    if chosen == names:
        return JobInput([store.uri("bundles")], [], [])
    return JobInput([store.uri(name) for name in chosen], [], [])


def _ranges(
    place: Place,
    images: Images,
    lists: tuple[Store, str],
    salts: Iterable[int],
    batches: Iterable[Batch],
    only: str | None = None,
) -> JobInput:
    """Write a list of ranges for each task; every task scans its own."""
    salts = list(salts)
    held = list(batches)
    share = len(salts) / N_SALTS
    n_images = round(share * sum(batch.images for batch in held))
    n_bytes = round(share * sum(batch.raw_bytes for batch in held))
    n_tasks = count_tasks(
        n_images, n_bytes, slots_of(images), worth=BundleInput.RECORDS_WORTH_A_TASK
    )
    tasks = divide(salts, n_tasks, only)
    store, folder = lists
    write_lists(store, folder, tasks)
    jobconf = ["mapreduce.job.ubertask.enable=false"] if len(tasks) > 1 else []
    return JobInput([store.uri(folder)], ["--hbase", str(place.address)], jobconf)


def slots_of(images: Images) -> int:
    """Return how many tasks of a job over an image store run side by side."""
    if images.cluster:
        return yarn.task_slots(images.cluster.resourcemanager_url)
    return os.cpu_count() or 1


def write_lists(store: Store, folder: str, tasks: Iterable[Iterable[SaltRange]]) -> None:
    """Write the ranges of each task into a file of its own."""
    store.delete(folder)
    for number, ranges in enumerate(tasks):
        lines = [salts.to_line().encode() for salts in ranges]
        store.write(f"{folder}/{number:05d}.tsv", lines)

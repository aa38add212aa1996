"""The steps of a planned run, but for training."""

from __future__ import annotations

from collections.abc import Iterator

from mr_jobs.mr_catalog_images import MRCatalogImages
from mr_jobs.mr_extract_features import MRExtractFeatures
from mr_jobs.mr_group_duplicates import MAX_BAND, MRGroupDuplicates
from mr_jobs.mr_split_shards import MRSplitShards
from pipeline.group_step import IMAGES_A_REDUCER
from pipeline.plan_costs import INDEX_ROW_MS, INDEX_S, INGEST_MS, SAVE_S, SEND_MB_S
from pipeline.plan_jobs import BASE64, MB, Job, JobMaker, StepWork
from pipeline.plan_training import codebook, evaluate, train

_BANDS = 1 << 16  # keys of duplicates
_BATCH = 512  # entries that are compared at once, if one key has fewer
_ENTRY_BYTES = 10_000  # of one, in the memory of the task that compares it with the others
# Keys are not alike: one that an entry is under holds so many times the mean, and the largest so
# many times (3,539 photographs of imagenette10).
_USUAL, _LARGEST = 3.4, 61.0
_PLAN_BYTES = 4096  # of a bundle's plan: all that Hadoop sees of the bundling job's input


def steps_of(make: JobMaker) -> Iterator[StepWork]:
    """Yield the steps, in order."""
    yield _ingest(make)
    yield _bundle(make)
    yield _catalog(make)
    yield _group(make)
    yield codebook(make)
    yield _features(make)
    yield _split(make)
    yield train(make)
    yield evaluate(make)
    rows = make.amounts.images + make.amounts.tested * make.config.model.top_k
    yield StepWork("index", driver_s=INDEX_S + INDEX_ROW_MS * rows / 1e3)
    yield StepWork("save", driver_s=SAVE_S + make.pass_s)


def _ingest(make: JobMaker) -> StepWork:
    amounts = make.amounts
    sent = 0 if make.simulated else amounts.raw_bytes
    seconds = sent / MB / SEND_MB_S + INGEST_MS * amounts.images / 1e3
    return StepWork("ingest", driver_s=seconds, written=sent, files=amounts.bundles)


def _bundle(make: JobMaker) -> StepWork:
    amounts = make.amounts
    job = Job(
        maps=amounts.bundles,  # a plan each
        input_bytes=amounts.bundles * _PLAN_BYTES,
        records=amounts.images,
        read=amounts.raw_bytes,
        written=amounts.bundle_bytes,
        map_s=amounts.images * make.costs.record_ms / 1e3,
        task_mb=make.costs.task_mb,
    )
    return StepWork("bundle", [job], files=amounts.bundles)


def _catalog(make: JobMaker) -> StepWork:
    amounts, costs = make.amounts, make.costs
    seconds = amounts.images * costs.catalog_ms / 1e3
    job = make.over_images(MRCatalogImages, seconds, amounts.images * costs.row_bytes)
    return StepWork("catalog", [job], driver_s=make.pass_s, files=amounts.bundles)


def _group(make: JobMaker) -> StepWork:
    amounts, costs = make.amounts, make.costs
    reduces = make.reduces(1 + amounts.images // IMAGES_A_REDUCER)
    rows, seconds = amounts.images * costs.row_bytes, amounts.images * costs.group_ms / 1e3
    by_content = make.job(
        MRGroupDuplicates, amounts.bundles, rows, amounts.images,
        reduces=reduces, written=rows, shuffled=rows, map_s=seconds,
    )  # fmt: skip
    if not make.config.duplicates.near:
        return StepWork("group", [by_content], files=2)
    entries = amounts.images * costs.entries
    together = min(MAX_BAND, max(_BATCH, _USUAL * entries / _BANDS))
    largest = min(MAX_BAND, max(_BATCH, _LARGEST * entries / _BANDS))
    by_band = make.job(
        MRGroupDuplicates, reduces, rows, amounts.images,
        reduces=reduces,
        shuffled=amounts.images * costs.band_bytes,
        map_s=seconds,
        reduce_s=entries * (costs.entry_ms + costs.pair_ms * together) / 1e3,
        task_mb=costs.task_mb + largest * _ENTRY_BYTES / MB,
        holds="the images under one key of duplicates",
    )  # fmt: skip
    return StepWork("group", [by_content, by_band], files=2)


def notes_of(make: JobMaker) -> Iterator[str]:
    """Yield sentences about what a run of so many images will not do as one of few."""
    entries = make.amounts.images * make.costs.entries
    if make.config.duplicates.near and _LARGEST * entries / _BANDS > MAX_BAND:
        yield (
            f"some keys of duplicates will hold more than {MAX_BAND:,} images, of which no more "
            "are compared: some near copies will not be found (counted as bands_capped)"
        )


def _features(make: JobMaker) -> StepWork:
    seconds = make.amounts.images * make.costs.features_ms / 1e3
    job = make.over_images(MRExtractFeatures, seconds, make.vectors_bytes)
    return StepWork("features", [job], files=job.maps)


def _split(make: JobMaker) -> StepWork:
    amounts = make.amounts
    files = make.maps(MRExtractFeatures, amounts.bundles, amounts.bundle_bytes, amounts.images)
    seconds = amounts.images * make.costs.shuffle_ms / 2e3
    job = make.job(
        MRSplitShards, files, make.vectors_bytes, amounts.images,
        reduces=make.shards,
        written=make.vectors_bytes,
        shuffled=make.vectors_bytes * BASE64,
        map_s=seconds,
        reduce_s=seconds,
    )  # fmt: skip
    return StepWork("split", [job], files=make.shards)

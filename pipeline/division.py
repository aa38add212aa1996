"""How a run divides its images into train, val and test: one answer for all steps and jobs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict

from mr_jobs.lib.duplicates import Groups
from mr_jobs.lib.records import CatalogRow, held_out_from, shard_key
from mr_jobs.lib.selection import Selection
from pipeline import duplicates
from pipeline.step import Context


def split_options(context: Context) -> list[str]:
    """Tell a job how the images are divided (`mr_jobs.split_options`)."""
    seed, val_fraction, test_fraction = shares_of(context)
    return [
        *("--seed", str(seed)),
        *("--val-fraction", str(val_fraction), "--test-fraction", str(test_fraction)),
        *("--groups", context.images.store.uri(duplicates.FILE)),
        *("--leaks", context.config.duplicates.leaks),
    ]


def held_out_place(context: Context) -> float:
    """Return the place from which images of train are held out for choosing a model."""
    return held_out_from(*shares_of(context)[1:])


def split_settings(context: Context) -> tuple[int, float, float, Groups]:
    """Return what `shard_key` wants besides a key: seed, val and test fraction, duplicates."""
    move = context.config.duplicates.leaks == "move"
    groups = duplicates.load_groups(context.images.store, move_leaks=move)
    return *shares_of(context), groups


def shares_of(context: Context) -> tuple[int, float, float]:
    """Return seed, val_fraction and test_fraction; an official division is kept."""
    data = context.config.data
    if context.data.has_val:
        return data.seed, 0.0, 0.0
    return data.seed, data.val_fraction, data.test_fraction


def split_facts(context: Context) -> list[object]:
    """Return what the division depends on, as JSON values."""
    data = asdict(context.config.data)
    del data["store"]  # where images are kept divides nothing
    return [data, context.config.duplicates.leaks]


def train_rows(
    context: Context, rows: Iterable[CatalogRow], left: Selection | None
) -> Iterator[CatalogRow]:
    """Yield those rows of the catalogue whose images are to be trained on, of those left."""
    split = split_settings(context)
    for row in rows:
        if row.status != "kept" or (left is not None and row.key not in left):
            continue
        if shard_key(row.key, *split).startswith("train\t"):
            yield row

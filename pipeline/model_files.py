"""What the steps after the shards share: the vectors, and the run's own files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import joblib

from models.dataset import Pair, Pairs, merge_parts
from mr_jobs.lib.sequencefile import Reader
from pipeline.step import Context


def shard_pairs(context: Context, split: str | None) -> Pairs:
    """Return what starts a pass over the vectors of a split, or of all, in the order of keys."""

    def start() -> Iterator[Pair]:
        with ExitStack() as files:
            readers = [
                Reader(files.enter_context(context.store.open(name)), context.store.uri(name))
                for name in context.store.files("shards")
            ]
            yield from merge_parts(readers, split)

    return start


def dump(context: Context, name: str, value: object) -> None:
    """Keep a value in the run's own directory."""
    path = context.run.dir / name
    path.parent.mkdir(parents=True, exist_ok=True)
    joblib.dump(value, path)


def load(context: Context, name: str) -> Any:  # noqa: ANN401  # the caller knows
    """Return a value that `dump` kept."""
    return joblib.load(context.run.dir / name)  # this run wrote it

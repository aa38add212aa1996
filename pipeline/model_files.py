"""What the steps after the shards share: the vectors, the run's own files, progress."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import joblib

from models.dataset import Pair, Pairs, merge_parts
from mr_jobs.lib.sequencefile import Reader
from pipeline.progress import Progress
from pipeline.step import Context


def shard_pairs(context: Context, split: str) -> Pairs:
    """Return what starts a pass over the vectors of a split, in the order of their places."""

    def start() -> Iterator[Pair]:
        with ExitStack() as files:
            readers = [
                Reader(files.enter_context(context.store.open(name)), context.store.uri(name))
                for name in context.store.files("shards")
            ]
            yield from merge_parts(readers, split)

    return start


def counting(progress: Progress, total: int) -> Callable[[int], None]:
    """Return what adds a number of images to those shown as done."""
    done = 0

    def count(n: int) -> None:
        nonlocal done
        done += n
        progress.update(done, total)

    return count


def dump(context: Context, name: str, value: object) -> None:
    """Keep a value in the run's own directory."""
    path = context.run.dir / name
    path.parent.mkdir(parents=True, exist_ok=True)
    joblib.dump(value, path)


def load(context: Context, name: str) -> Any:  # noqa: ANN401  # the caller knows
    """Return a value that `dump` kept."""
    return joblib.load(context.run.dir / name)  # this run wrote it

"""The images that `--where` leaves to a step: features, split or train.

Each of the three may have a condition of its own, and gets what those before it left: features of
the selected images alone, shards of these, a model of those. Quarantined images are never selected.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from mr_jobs.lib.errors import ConfigError
from mr_jobs.lib.selection import Selection
from pipeline.image_jobs import LISTS, JobInput, job_input
from pipeline.images import Images
from pipeline.index import select_rows
from pipeline.step import Context

SELECTING = ("features", "split", "train")
_FOLDER = "selections"


class Chosen(NamedTuple):
    """The images that a condition holds for: the kept ones, and where they are."""

    where: str
    images: Selection
    quarantined: int
    bundles: frozenset[str]


def chosen(context: Context, step: str) -> Chosen | None:
    """Return what a step is to work on; None for all that there is.

    Raises
    ------
    ConfigError
        If the condition is none, or no image meets it.
    """
    where = context.run.where.get(step)
    return None if where is None else choose(context.images, where, step)


def choose(images: Images, where: str, what: str) -> Chosen:
    """Return the images that a condition holds for; `what` they are for is named in the error.

    Raises
    ------
    ConfigError
        If the condition is none, or no image meets it.
    """
    from pipeline.index.engine import state_of  # sqlglot takes a while

    found = _choose(images, where, state_of(images))
    if not len(found.images):
        raise ConfigError(
            f"{what}: no image meets --where {where!r} ({found.quarantined} quarantined ones do); "
            "`bin/pipeline query` shows what there is"
        )
    return found


@lru_cache(maxsize=len(SELECTING))
def _choose(images: Images, where: str, _state: str) -> Chosen:
    """Ask the index; its answer is the same as long as its state is."""
    quarantined = 0
    bundles = set()

    def kept() -> Iterator[str]:
        nonlocal quarantined
        for row in select_rows(images, where, engine="duckdb"):
            if row.status == "kept":
                bundles.add(row.bundle)
                yield row.key
            else:
                quarantined += 1

    selection = Selection.of(kept())
    return Chosen(where, selection, quarantined, frozenset(bundles))


def facts_of(context: Context, step: str) -> list[str] | None:
    """Return what the output of a step with a condition depends on: the images it comes to."""
    found = chosen(context, step)
    return found and [found.where, found.images.digest()]


def job_option(context: Context, step: str) -> list[str]:
    """Tell a step's job what it is to read; the file is left with the run's outputs."""
    found = chosen(context, step)
    if found is None:
        return []
    name = f"{_FOLDER}/{step}"
    context.store.write(name, [found.images.to_bytes()])
    return ["--selection", context.store.uri(name)]


def inputs_of(context: Context, step: str, job: str) -> JobInput:
    """Return what a job over images has to read: only what holds images selected for a step."""
    found = chosen(context, step)
    bundles = None if found is None else found.bundles
    return job_input(context.images, context.store, f"{LISTS}/{job}", bundles)


def left_after(context: Context, last: str) -> Selection | None:
    """Return the images that pass the conditions of all steps up to `last`; None for all."""
    left: Selection | None = None
    for step in SELECTING[: SELECTING.index(last) + 1]:
        found = chosen(context, step)
        if found:
            left = found.images if left is None else left & found.images
    return left


def told(context: Context) -> list[str]:
    """Return a sentence a condition, for the result to say what it is of."""
    return [
        f"the step {step} had only the images where {where}"
        for step, where in context.run.where.items()
    ]

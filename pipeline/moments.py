"""Sum up vectors with a job, and read the moments that it made."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mr_jobs.lib.moments import Moments
from mr_jobs.lib.records import require_one_tag
from mr_jobs.lib.sums import CHUNK, Sums
from mr_jobs.mr_sum_moments import MRSumMoments
from mr_jobs.vectors_job import PARTS, TAG
from pipeline.progress import Progress
from pipeline.step import Context, Step
from pipeline.step_job import run_step_job
from pipeline.stores import Store
from pipeline.sums import read_sums

_REDUCER_NUMBERS = 64 * CHUNK


def sum_moments(  # noqa: PLR0913  # what a job is made of
    context: Context,
    progress: Progress,
    step: Step,
    inputs: Sequence[str],
    *,
    into: tuple[Store, str],
    args: Sequence[str] = (),
    pivot: NDArray[np.float64] | None = None,
    n_features: int = 0,
    total: int = 0,
) -> dict[str, Moments]:
    """Run MRSumMoments on SequenceFiles of vectors; its output is removed once it is read.

    Parameters
    ----------
    inputs : URIs of the files or directories.
    into : store and directory of the job's output.
    args : options of the job besides --pivot.
    pivot : a vector near the mean, float64 of shape (n_features,); zero by default.
    n_features : how long a vector is about, which decides how many reducers there are.
    total : the number of records to come, for the display of progress.

    Returns
    -------
    The moments of each part that had vectors, `inner` or `held_out`.

    Raises
    ------
    DataError
        Damaged vectors, or shards of two different runs.
    """
    store, directory = into
    options = list(args)
    if pivot is not None:
        options += ["--pivot", write_array_file(store, f"{directory}-pivot.npy", pivot)]
    reducers = 1 + n_features * (n_features + 1) // 2 // _REDUCER_NUMBERS
    run_step_job(
        context, progress, step, MRSumMoments, inputs, ("read", total), options, into=into,
        jobconf=[f"mapreduce.job.reduces={reducers}"],
    )  # fmt: skip
    sums = take_sums(store, directory)
    if pivot is not None:
        store.delete(f"{directory}-pivot.npy")
    found = [part for part in PARTS if f"{part}/counts" in sums]
    return {part: Moments.from_sums(sums, part, pivot) for part in found}


def take_sums(store: Store, directory: str) -> Sums:
    """Read the sums that a job over shards made, see that the shards are of one run, and remove it.

    Raises
    ------
    DataError
        A chunk is missing, or the shards are of different runs.
    """
    sums = read_sums(store, directory)
    store.delete(directory)
    require_one_tag(name.removeprefix(TAG) for name in sums if name.startswith(TAG))
    return sums


def write_array_file(store: Store, name: str, array: NDArray[np.float64]) -> str:
    """Write an array into a file of numpy's .npy format; return its URI, for a job's option."""
    content = io.BytesIO()
    np.save(content, array)
    store.write(name, [content.getvalue()])
    return store.uri(name)

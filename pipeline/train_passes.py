"""The passes over the training images of a run, each over the shards."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.dataset import blocks
from mr_jobs.descent import Start
from mr_jobs.lib.errors import JobError
from mr_jobs.lib.moments import Moments
from mr_jobs.lib.records import require_one_tag
from mr_jobs.lib.sums import CHUNK, Sums
from mr_jobs.lib.trials import Candidates, Centres, Trials
from mr_jobs.mr_average_sgd import MRAverageSgd
from mr_jobs.mr_sum_moments import MRSumMoments
from mr_jobs.mr_try_models import MRTryModels
from mr_jobs.vectors_job import HELD_OUT, INNER, PARTS, TAG, VectorsJob
from pipeline import selecting
from pipeline.division import held_out_place
from pipeline.model_files import shard_pairs
from pipeline.passes import run_pass
from pipeline.progress import Progress
from pipeline.step import Context, Step

_FOLDER = "training"  # of what is removed when the model is made
_INPUT, _PIVOT = f"{_FOLDER}/input.npz", f"{_FOLDER}/pivot.npy"
_NUMBERS_A_REDUCER = 64 * CHUNK
_GRID = 4096.0  # vectors are multiples of its inverse: sums about such a pivot are exact


class JobPasses:
    """Passes over the train shards, see `models.passes.Passes`.

    Parameters
    ----------
    step : whose jobs they are.
    classes : the wnids, in the order of class_index.
    expected : how many images each pass has to read.

    Raises
    ------
    JobError
        A pass read another number of images.
    DataError
        The shards are damaged or of different runs.
    """

    def __init__(
        self,
        context: Context,
        progress: Progress,
        step: Step,
        classes: Sequence[str],
        expected: int,
    ) -> None:
        self._context = context
        self._progress = progress
        self._step = step
        self._expected = expected
        self._store = context.store
        self._n_classes = len(classes)
        wnids = f"{_FOLDER}/wnids.txt"
        self._store.write(wnids, [f"{wnid}\n".encode() for wnid in classes])
        self._options = ["--classes", self._store.uri(wnids)]
        self._options += ["--held-out-from", str(held_out_place(context))]
        self._options += selecting.job_option(context, "train")

    def moments(self, *, diagonal: bool = False) -> dict[str, Moments]:
        """Sum up each part."""
        pivot = self._pivot()
        args, n_features = ["--diagonal"] if diagonal else [], 0
        if pivot is not None:
            self._store.write(_PIVOT, [_npy(pivot)])
            args += ["--pivot", self._store.uri(_PIVOT)]
            n_features = len(pivot)
        reducers = reducers_for(n_features, self._n_classes, diagonal=diagonal)
        sums, _ = self._run(MRSumMoments, args, [f"mapreduce.job.reduces={reducers}"])
        parts = [part for part in PARTS if f"{part}/counts" in sums]
        found = {part: Moments.from_sums(sums, part, pivot) for part in parts}
        self._check(sum(moments.n for moments in found.values()))
        return found

    def fourth_powers(self, centres: Centres) -> float:
        """Sum up the fourth powers."""
        sums = self._run_with(MRTryModels, "--centres", centres.to_bytes(), [])
        return float(sums["fourth_powers"][0])

    def try_out(self, candidates: Candidates, top_k: int) -> Trials:
        """Count the candidates' errors."""
        args = ["--part", HELD_OUT, "--top-k", str(top_k)]
        sums = self._run_with(MRTryModels, "--candidates", candidates.to_bytes(), args)
        return Trials.from_sums(sums, candidates)

    def descend(self, start: Start, loss: str, alpha: float, *, held_out: bool) -> Start:
        """Do an epoch; every task starts from the same weights."""
        args = ["--loss", loss, "--alpha", str(alpha)]
        args += [] if held_out else ["--part", INNER]
        return start.after(self._run_with(MRAverageSgd, "--start", start.to_bytes(), args))

    def clear(self) -> None:
        """Remove what the passes left."""
        self._store.delete(_FOLDER)

    def _run_with(
        self, job: type[VectorsJob], option: str, content: bytes, args: list[str]
    ) -> Sums:
        self._store.write(_INPUT, [content])
        sums, n_read = self._run(job, [option, self._store.uri(_INPUT), *args])
        self._check(n_read)
        return sums

    def _run(
        self, job: type[VectorsJob], args: list[str], jobconf: Sequence[str] = ()
    ) -> tuple[Sums, int]:
        """Make a pass; return its sums and how many images it read."""
        sums, counters = run_pass(
            self._context, self._progress, self._step, job, "shards", self._expected,
            [*self._options, *args], jobconf=jobconf,
        )  # fmt: skip
        require_one_tag(name.removeprefix(TAG) for name in sums if name.startswith(TAG))
        return sums, counters.get("read", 0)

    def _check(self, n_read: int) -> None:
        if n_read != self._expected:
            raise JobError(
                f"{self._step.name}: read {n_read} vectors, there should be {self._expected}"
            )

    def _pivot(self) -> NDArray[np.float64] | None:
        """Return a vector near the mean: that of the first block, in the order of the keys."""
        first = next(blocks(shard_pairs(self._context, None)(), {}), None)
        if first is None:
            return None
        return np.asarray(np.round(first.X.mean(axis=0, dtype=np.float64) * _GRID) / _GRID)


def reducers_for(n_features: int, n_classes: int, *, diagonal: bool = False) -> int:
    """Return how many reducers add up the moments of vectors of so many values."""
    products = n_features if diagonal else n_features * (n_features + 1) // 2
    return 1 + (products + n_classes * n_features) // _NUMBERS_A_REDUCER


def _npy(array: NDArray[np.float64]) -> bytes:
    """Return an array in numpy's .npy format."""
    content = io.BytesIO()
    np.save(content, array)
    return content.getvalue()

"""The passes over the training images of a run, each a job over the shards."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.dataset import blocks
from mr_jobs.descent import Start
from mr_jobs.lib.errors import JobError
from mr_jobs.lib.moments import Moments
from mr_jobs.lib.sums import Sums
from mr_jobs.lib.trials import Candidates, Centres, Trials
from mr_jobs.mr_average_sgd import MRAverageSgd
from mr_jobs.mr_try_models import MRTryModels
from mr_jobs.vectors_job import HELD_OUT, INNER, VectorsJob
from pipeline import selecting
from pipeline.division import held_out_place
from pipeline.model_files import shard_pairs
from pipeline.moments import sum_moments, take_sums
from pipeline.progress import Progress
from pipeline.step import Context, Step
from pipeline.step_job import run_step_job

_FOLDER = "training"  # of what is removed when the model is made
_SUMS, _INPUT = f"{_FOLDER}/sums", f"{_FOLDER}/input.npz"
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
        self._inputs = [self._store.uri("shards")]
        wnids = f"{_FOLDER}/wnids.txt"
        self._store.write(wnids, [f"{wnid}\n".encode() for wnid in classes])
        self._options = ["--classes", self._store.uri(wnids)]
        self._options += ["--held-out-from", str(held_out_place(context))]
        self._options += selecting.job_option(context, "train")

    def moments(self, *, diagonal: bool = False) -> dict[str, Moments]:
        """Sum up each part."""
        pivot = self._pivot()
        found = sum_moments(
            self._context, self._progress, self._step, self._inputs,
            into=(self._store, _SUMS),
            args=[*self._options, *(["--diagonal"] if diagonal else [])],
            pivot=pivot,
            n_features=0 if pivot is None or diagonal else len(pivot),
            total=self._expected,
        )  # fmt: skip
        self._check(sum(moments.n for moments in found.values()))
        return found

    def fourth_powers(self, centres: Centres) -> float:
        """Sum up the fourth powers."""
        sums = self._run(MRTryModels, "--centres", centres.to_bytes(), [])
        return float(sums["fourth_powers"][0])

    def try_out(self, candidates: Candidates, top_k: int) -> Trials:
        """Count the candidates' errors."""
        args = ["--part", HELD_OUT, "--top-k", str(top_k)]
        sums = self._run(MRTryModels, "--candidates", candidates.to_bytes(), args)
        return Trials.from_sums(sums, candidates)

    def descend(self, start: Start, loss: str, alpha: float, *, held_out: bool) -> Start:
        """Do an epoch; every task starts from the same weights."""
        args = ["--loss", loss, "--alpha", str(alpha)]
        args += [] if held_out else ["--part", INNER]
        return start.after(self._run(MRAverageSgd, "--start", start.to_bytes(), args))

    def clear(self) -> None:
        """Remove what the passes left."""
        self._store.delete(_FOLDER)

    def _run(self, job: type[VectorsJob], option: str, content: bytes, args: list[str]) -> Sums:
        self._store.write(_INPUT, [content])
        counters = run_step_job(
            self._context, self._progress, self._step, job, self._inputs, ("read", self._expected),
            [*self._options, option, self._store.uri(_INPUT), *args], into=(self._store, _SUMS),
        )  # fmt: skip
        self._check(counters.get("read", 0))
        return take_sums(self._store, _SUMS)

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

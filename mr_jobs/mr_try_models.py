"""Try candidate models on the training images that were held out, to choose among them.

Input    shards: SequenceFiles of (split, place, image key, tag) -> float32 vector
Output   sums (mr_jobs.lib.sums): tried, errors and likelihoods of mr_jobs.lib.trials.Trials, and
         tag/<tag>; with --centres fourth_powers, the sum over all training images
Counted  images/read = images/inner + images/held_out

    python mr_jobs/mr_try_models.py --classes wnids.txt --held-out-from 0.8333 --part held_out \
        --candidates candidates.npz --output-dir trials shards/part-*
    python mr_jobs/mr_try_models.py -r hadoop --classes wnids.txt --centres centres.npz \
        --output-dir hdfs:///sums hdfs:///shards
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from mr_jobs.lib.trials import Candidates, Centres, Trials
from mr_jobs.vectors_job import Sum, VectorsJob


class MRTryModels(VectorsJob):
    """Map: vectors -> errors of each candidate in the task. Reduce: errors of all tasks."""

    def configure_args(self) -> None:
        super().configure_args()
        self.add_file_arg(
            "--candidates",
            default=None,
            metavar="FILE",
            help="the models, mr_jobs.lib.trials.Candidates",
        )
        self.add_file_arg(
            "--centres",
            default=None,
            metavar="FILE",
            help="sum fourth powers about these, mr_jobs.lib.trials.Centres",
        )
        self.add_passthru_arg(
            "--top-k", type=int, default=5, help="best classes that count (default: %(default)s)"
        )

    def mapper_init(self) -> None:
        super().mapper_init()
        options = self.options
        self._centres = options.centres and Centres.load(options.centres)
        self._candidates = options.candidates and Candidates.load(options.candidates)
        self._begin()

    def add_block(self, part: str, vectors: NDArray[np.float32], y: NDArray[np.int64]) -> None:
        if self._candidates:
            self._trials.add(self._candidates, vectors, y, self.options.top_k)
        if self._centres:
            self._fourth_powers += self._centres.fourth_powers(vectors, y)

    def part_sums(self, part: str) -> Iterator[Sum]:
        if self._candidates:
            yield from self._trials.to_sums()
        if self._centres:
            yield "fourth_powers", np.array([self._fourth_powers])
        self._begin()

    def _begin(self) -> None:
        self._fourth_powers = 0.0
        if self._candidates:
            self._trials = Trials.none(self._candidates)


if __name__ == "__main__":
    MRTryModels.run()

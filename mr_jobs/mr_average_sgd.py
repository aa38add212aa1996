"""Descend along the gradient of a loss in every task, and average what the tasks come to.

Input    shards: SequenceFiles of (split, place, image key, tag) -> float32 vector
Output   sums (mr_jobs.lib.sums): of each task's images n, n · coef, n · intercept and n · clock,
         and tag/<tag>; divided by n they are where the next epoch starts
Counted  images/read = images/inner + images/held_out

One epoch is one job. A task's weights are the mean of those after each block of its vectors, which
come in the shuffled order of the shards. Source: M. Zinkevich, M. Weimer, L. Li and A. Smola,
Parallelized Stochastic Gradient Descent, NIPS 23 (2010). Unlike sums over vectors, the result
depends on how the vectors were divided among the tasks.

    python mr_jobs/mr_average_sgd.py --classes wnids.txt --start start.npz --loss hinge \
        --output-dir epoch shards/part-*
    python mr_jobs/mr_average_sgd.py -r hadoop --classes wnids.txt --start start.npz \
        --output-dir hdfs:///epoch hdfs:///shards
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from mr_jobs.descent import LOSSES, Descent, Start
from mr_jobs.vectors_job import Sum, VectorsJob


class MRAverageSgd(VectorsJob):
    """Map: vectors -> weights of the task, times its images. Reduce: their sum."""

    def configure_args(self) -> None:
        super().configure_args()
        self.add_file_arg(
            "--start", metavar="FILE", help="the weights to start from, mr_jobs.descent.Start"
        )
        self.add_passthru_arg(
            "--loss", choices=LOSSES, default=LOSSES[0], help="default: %(default)s"
        )
        self.add_passthru_arg(
            "--alpha",
            type=float,
            default=0.1,
            help="penalty on squared coefficients (default: %(default)s)",
        )

    def mapper_init(self) -> None:
        super().mapper_init()
        self._start = Start.load(self.options.start)
        self._begin()

    def add_block(self, part: str, vectors: NDArray[np.float32], y: NDArray[np.int64]) -> None:
        self._descent.add(vectors, y)

    def part_sums(self, part: str) -> Iterator[Sum]:
        yield from self._descent.to_sums()
        self._begin()

    def _begin(self) -> None:
        options = self.options
        self._descent = Descent(self._start, self.n_classes, options.loss, options.alpha)


if __name__ == "__main__":
    MRAverageSgd.run()

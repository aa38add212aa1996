"""Sum vectors, their outer products and the vectors of each class: all that a linear model needs.

Input    shards: SequenceFiles of (split, place, image key, tag) -> float32 vector; without
         --classes any SequenceFiles of float32 vectors, or of matrices with --row-length
Output   sums (mr_jobs.lib.sums): <part>/counts, <part>/sums and <part>/products of
         mr_jobs.lib.moments.Moments for the parts `inner` and `held_out`, and tag/<tag>
Counted  images/read = images/inner + images/held_out

A task holds one statistic, of (n_features)²/2 numbers; with --diagonal, of n_features.

    python mr_jobs/mr_sum_moments.py --classes wnids.txt --output-dir moments shards/part-*
    python mr_jobs/mr_sum_moments.py -r hadoop --row-length 75 --output-dir hdfs:///m hdfs:///p
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from mr_jobs.lib.moments import Moments
from mr_jobs.vectors_job import Sum, VectorsJob


class MRSumMoments(VectorsJob):
    """Map: vectors -> moments of the task. Reduce: moments of all, chunk by chunk."""

    def configure_args(self) -> None:
        super().configure_args()
        self.add_file_arg(
            "--pivot",
            default=None,
            metavar="FILE",
            help="a vector near the mean, numpy's .npy format (default: zero)",
        )
        self.add_passthru_arg(
            "--diagonal", action="store_true", help="sum squares instead of outer products"
        )

    def mapper_init(self) -> None:
        super().mapper_init()
        self._moments: Moments | None = None
        self._pivot = None if self.options.pivot is None else np.load(self.options.pivot)

    def add_block(self, part: str, vectors: NDArray[np.float32], y: NDArray[np.int64]) -> None:
        if self._moments is None:
            self._moments = Moments.empty(
                self.n_classes, vectors.shape[1], self._pivot, diagonal=self.options.diagonal
            )
        self._moments.add(vectors, y)

    def part_sums(self, part: str) -> Iterator[Sum]:
        if self._moments is not None:
            yield from self._moments.to_sums(part)
        self._moments = None


if __name__ == "__main__":
    MRSumMoments.run()

r"""One round of learning codebooks: sums over sampled descriptors, of all features at once.

Input    descriptors: SequenceFiles of (feature name, image key) -> float32 rows
Output   SequenceFiles of sums (`mr_jobs.lib.sums`), named `<feature>.<sum>`
Counted  images/read

What is summed depends on what `--codebooks` holds of a feature. Nothing: the moments of its
descriptors. A codebook: the sums of a round of k-means, or of an expectation step of a Gaussian
mixture (`mr_jobs.lib.learning`). What these sums make of a codebook is computed by whoever runs
the job, who then runs it again.

    python mr_jobs/mr_learn_codebooks.py --output-dir sums descriptors/part-*
    python mr_jobs/mr_learn_codebooks.py -r hadoop --codebooks codebooks.npz \
        --output-dir hdfs:///sums hdfs:///descriptors
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from mr_jobs.lib.errors import DataError
from mr_jobs.lib.learning import Round, round_of
from mr_jobs.lib.records import VECTOR_DTYPE
from mr_jobs.spec_option import CodebooksOption
from mr_jobs.summing_job import SummingJob


class MRLearnCodebooks(CodebooksOption, SummingJob):
    """Map: descriptors -> sums of a task. Reduce: sums of all tasks."""

    def mapper_init(self) -> None:
        super().mapper_init()
        self._learned = self.spec.learned()
        self._rounds: dict[str, Round] = {
            name: round_of(feature, self.codebooks.get(name))
            for name, feature in self._learned.items()
        }

    def check_codebooks(self) -> None:
        """Take them as they are: they are being learned."""

    def add(self, key: str, value: bytes) -> None:
        name = key.partition("\t")[0]
        if name not in self._learned:
            raise DataError(f"descriptors of {name!r}, which is none of the learned features")
        length = self._learned[name].descriptor_length()
        rows = np.frombuffer(value, VECTOR_DTYPE)
        if rows.size % length:
            raise DataError(
                f"{key!r}: {rows.size} numbers are no rows of {length}; sample the descriptors anew"
            )
        self.count("read")
        # Image by image: in larger matrices a product's last bits depend on the rows beside it.
        self._rounds[name].add(rows.reshape(-1, length))

    def totals(self) -> Iterable[tuple[str, NDArray[np.float64]]]:
        for name, one in self._rounds.items():
            for sum_name, array in one.totals().items():
                yield f"{name}.{sum_name}", array


if __name__ == "__main__":
    MRLearnCodebooks.run()

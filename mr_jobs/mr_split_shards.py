"""Split and shuffle the feature vectors into shards.

Input    features: SequenceFiles of image key -> raw float32 vector
Output   shards: SequenceFiles of (split, place, image key), tab separated -> the same vector, each
         shard sorted by its key, so that merging the shards gives one order on every runner
Counted  images/read = images/train + images/val + images/test

The official division is kept where the data has one (`--val-fraction 0`); else the side is decided
by a seeded hash of the image's class and name, so that it never depends on the other images.

    python mr_jobs/mr_split_shards.py --output-dir shards --val-fraction 0.2 features/part-*
    python mr_jobs/mr_split_shards.py -r hadoop --output-dir hdfs:///shards hdfs:///features
"""

from __future__ import annotations

import binascii
from collections.abc import Iterator

from mrjob.protocol import RawProtocol
from mrjob.step import MRStep

from mr_jobs.job import BundleInput, BundleOutput, bundle_step
from mr_jobs.lib.records import shard_key

_KEY_SEPARATOR = "\x1f"  # in the shuffle, whose keys end at the first tab


class MRSplitShards(BundleInput, BundleOutput):
    """Map: vector -> (shard key, base64). Reduce: sorted by the shuffle, written as it comes."""

    INTERNAL_PROTOCOL = RawProtocol  # the simulated shuffle sorts lines: no binary values

    def configure_args(self) -> None:
        super().configure_args()
        for split in ("val", "test"):
            self.add_passthru_arg(
                f"--{split}-fraction",
                type=float,
                default=0.0,
                help=f"share of the train images that goes to {split} (default: %(default)s)",
            )
        self.add_passthru_arg(
            "--seed", type=int, default=0, help="seed of the hash (default: %(default)s)"
        )

    def steps(self) -> list[MRStep]:
        return [
            bundle_step(
                mapper=self.mapper, reducer=self.reducer, bundle_input=True, bundle_output=True
            )
        ]

    def mapper(self, key: str, vector: bytes) -> Iterator[tuple[str, str]]:
        """Yield (shard key, vector in base64)."""
        options = self.options
        line_key = shard_key(key, options.seed, options.val_fraction, options.test_fraction)
        self.count("read")
        self.count(line_key.partition("\t")[0])
        encoded = binascii.b2a_base64(vector, newline=False).decode()
        yield line_key.replace("\t", _KEY_SEPARATOR), encoded

    def reducer(self, line_key: str, vectors: Iterator[str]) -> Iterator[tuple[str, bytes]]:
        """Yield (shard key, vector), in the order of the shuffle."""
        for vector in vectors:
            yield line_key.replace(_KEY_SEPARATOR, "\t"), binascii.a2b_base64(vector)


if __name__ == "__main__":
    MRSplitShards.run()

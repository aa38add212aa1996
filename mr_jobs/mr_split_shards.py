"""Split and shuffle the feature vectors into shards.

Input    features: SequenceFiles of image key -> raw float32 vector
Output   shards: SequenceFiles of (split, place, image key, tag), tab separated -> the same vector,
         each sorted by its key, so that merging the shards gives one order on every runner
Counted  images/read = images/train + images/val + images/test + images/leaked

The official division is kept where the data has one (`--val-fraction 0`); else the side is decided
by a seeded hash of the class and name of the first image of the image's group of duplicates, so
that adding images moves no old one. With `--leaks move` a train image of which val or test holds a
duplicate goes to a split of its own, `leaked`, on which nothing is trained or tested. All records
of a run have one `--shard-tag`, by which a reader notices shards of different runs.

    python mr_jobs/mr_split_shards.py --output-dir shards --val-fraction 0.2 features/part-*
    python mr_jobs/mr_split_shards.py -r hadoop --output-dir hdfs:///shards hdfs:///features
"""

from __future__ import annotations

import binascii
from collections.abc import Iterator

from mrjob.protocol import RawProtocol
from mrjob.step import MRStep

from mr_jobs.job import BundleInput, BundleOutput, bundle_step
from mr_jobs.lib.records import NO_TAG
from mr_jobs.split_options import SplitOptions

_KEY_SEPARATOR = "\x1f"  # in the shuffle, whose keys end at the first tab


class MRSplitShards(SplitOptions, BundleInput, BundleOutput):
    """Map: vector -> (shard key, base64). Reduce: sorted by the shuffle, written as it comes."""

    RECORDS_WORTH_A_TASK = 20_000  # vectors are read in a fraction of the time of images
    INTERNAL_PROTOCOL = RawProtocol  # the simulated shuffle sorts lines: no binary values

    def configure_args(self) -> None:
        super().configure_args()
        self.add_passthru_arg(
            "--shard-tag",
            default=NO_TAG,
            help="what tells the shards of this run from those of others (default: %(default)s)",
        )

    def steps(self) -> list[MRStep]:
        return [
            bundle_step(
                mapper_init=self.mapper_init,
                mapper=self.mapper,
                reducer=self.reducer,
                bundle_input=True,
                bundle_output=True,
            )
        ]

    def mapper(self, key: str, vector: bytes) -> Iterator[tuple[str, str]]:
        """Yield (shard key, vector in base64)."""
        line_key = self.shard_key(key, self.options.shard_tag)
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

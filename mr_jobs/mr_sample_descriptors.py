r"""Sample local descriptors of the training images, to learn the codebooks of features from.

Input    bundles: SequenceFiles of (image key, encoded image); or with --hbase lists of rows
         (mr_jobs/image_input.py)
Output   SequenceFiles of (feature name, image key), tab separated -> float32[n, descriptor_length],
         raw little-endian bytes, row by row: `--per-image` descriptors of each learned feature
Counted  images/read = images/sampled + images/passed_over + images/skipped; passed over are images
         that nothing is trained on, or that a seeded hash leaves out (`--share`)

Which descriptors are taken depends on the image's key and the seed alone. An image is decoded once
for all features.

    python mr_jobs/mr_sample_descriptors.py --output-dir descriptors bundles/part-*
    python mr_jobs/mr_sample_descriptors.py -r hadoop --output-dir hdfs:///descriptors hdfs:///bundles
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np
from mrjob.step import MRStep

from mr_jobs.image_input import ImageInput
from mr_jobs.job import BundleOutput, bundle_step
from mr_jobs.lib.errors import ImageError
from mr_jobs.lib.features.base import Square
from mr_jobs.lib.imagenet import QUARANTINE, ImageKey
from mr_jobs.lib.records import encode_vector, place
from mr_jobs.spec_option import SpecOption
from mr_jobs.split_options import SplitOptions

_SHARE_SEED = -2  # no user splits by it, so the images taken are like the others


class MRSampleDescriptors(SpecOption, SplitOptions, ImageInput, BundleOutput):
    """Map-only: training image -> some descriptors of each learned feature."""

    def configure_args(self) -> None:
        super().configure_args()
        self.add_passthru_arg(
            "--per-image",
            type=int,
            default=40,
            help="descriptors of an image, for each feature (default: %(default)s)",
        )
        self.add_passthru_arg(
            "--share",
            type=float,
            default=1.0,
            help="share of the training images to take (default: all)",
        )

    def steps(self) -> list[MRStep]:
        return [
            bundle_step(
                mapper_init=self.mapper_init,
                mapper=self.mapper,
                bundle_input=self.reads_bundles(),
                bundle_output=True,
            )
        ]

    def mapper(self, key: str, encoded: bytes) -> Iterator[tuple[str, bytes]]:
        """Yield ((feature, image key), descriptors)."""
        self.count("read")
        if ImageKey.parse(key).split == QUARANTINE or not self._is_taken(key):
            self.count("passed_over")
            return
        try:
            square = Square(self.spec.decode(encoded), self.spec.image_px)
        except ImageError:
            self.count("skipped")
            return
        for name, feature in self.spec.learned().items():
            descriptors = feature.descriptors(square)
            chosen = self._choose(f"{name}/{key}", len(descriptors))
            yield f"{name}\t{key}", encode_vector(descriptors[chosen])
        self.count("sampled")

    def _is_taken(self, key: str) -> bool:
        on_train = self.shard_key(key).startswith("train\t")
        return on_train and place(key, _SHARE_SEED) < self.options.share

    def _choose(self, name: str, n: int) -> np.typing.NDArray[np.intp]:
        digest = hashlib.sha256(f"{self.options.seed}/{name}".encode()).digest()
        random = np.random.default_rng(int.from_bytes(digest[:8], "big"))
        return np.sort(random.permutation(n)[: self.options.per_image])


if __name__ == "__main__":
    MRSampleDescriptors.run()

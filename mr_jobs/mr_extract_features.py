r"""Compute the feature vector of every image, all features from one decode.

Input    bundles: SequenceFiles of (image key, encoded image); or with --hbase lists of rows
         (mr_jobs/image_input.py), which get the vector, too
Output   SequenceFiles of image key -> float32[n_features], raw little-endian bytes
Counted  images/read = images/featurized + images/skipped; the skipped ones by reason, as
         images/skipped_<reason>; images that came under `quarantine/` are skipped unread

    python mr_jobs/mr_extract_features.py --features '{"features": ["hog", "hsv_pyramid"]}' \
        --output-dir features bundles/part-*
    python mr_jobs/mr_extract_features.py -r hadoop --output-dir hdfs:///features hdfs:///bundles
"""

from __future__ import annotations

from collections.abc import Iterator

from mr_jobs.image_input import ImageInput
from mr_jobs.job import BundleOutput, MRStep, bundle_step
from mr_jobs.lib.hbase_rows import feature_cells
from mr_jobs.lib.records import encode_vector
from mr_jobs.spec_option import CodebooksOption


class MRExtractFeatures(CodebooksOption, ImageInput, BundleOutput):
    """Map-only: image -> feature vector."""

    def steps(self) -> list[MRStep]:
        return [
            bundle_step(
                mapper_init=self.mapper_init,
                mapper=self.mapper,
                bundle_input=self.reads_bundles(),
                bundle_output=True,
            )
        ]

    def mapper_init(self) -> None:
        super().mapper_init()
        self._fingerprint = self.spec.fingerprint(self.codebooks)

    def mapper(self, key: str, encoded: bytes) -> Iterator[tuple[str, bytes]]:
        """Yield (image key, vector) for each image that decodes."""
        vector = self.vector_of(key, encoded)
        if vector is None:
            return
        self.count("featurized")
        value = encode_vector(vector)
        self.note(key, feature_cells(value, self._fingerprint))
        yield key, value


if __name__ == "__main__":
    MRExtractFeatures.run()

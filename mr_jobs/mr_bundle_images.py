"""Bundle raw images: tars and plain files -> SequenceFiles of (image key, encoded image).

Input    plan files of one line (mr_jobs/lib/rawtar.py), the ranges of tars or the plain files that
         make one bundle; `bin/pipeline ingest` writes them
Output   bundles: `<split>/<wnid>/<file name>` -> the image's bytes as they were
Counted  images/bundled; images/unlabelled, when a validation image has no label, and
         images/unknown_synset: these are bundled under `quarantine/<reason>/`

    python mr_jobs/mr_bundle_images.py --output-dir bundles plan/*.json
    python mr_jobs/mr_bundle_images.py -r hadoop --output-dir hdfs:///bundles hdfs:///plan
"""

from __future__ import annotations

from collections.abc import Iterator

from mrjob.step import MRStep

from mr_jobs.job import BundleOutput, bundle_step
from mr_jobs.planned_images import PLAN_A_TASK, PlannedImages


class MRBundleImages(PlannedImages, BundleOutput):
    """Map-only: ranges of raw images -> one bundle a plan file."""

    def steps(self) -> list[MRStep]:
        return [
            bundle_step(
                mapper_init=self.mapper_init,
                mapper=self.mapper,
                bundle_output=True,
                jobconf=PLAN_A_TASK,
            )
        ]

    def mapper(self, _: None, line: str) -> Iterator[tuple[str, bytes]]:
        """Yield (image key, encoded image) for each image of a bundle's plan."""
        for image in self.planned(line):
            self.count("bundled")
            yield image


if __name__ == "__main__":
    MRBundleImages.run()

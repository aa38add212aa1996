"""Catalogue the images of the bundles: bundles -> one row of tab-separated text an image.

Input    bundles: SequenceFiles of (image key, encoded image); each is read whole by one task; or
         with --hbase lists of rows (mr_jobs/image_input.py), which get the family metadata
Output   the columns of mr_jobs.lib.records.CatalogRow, one line an image, in the bundle's order
Counted  images/catalogued = images/kept + images/quarantined; the quarantined ones by reason, as
         images/quarantined_<reason>; repairs of kept ones by kind, as images/repaired_<kind>

    python mr_jobs/mr_catalog_images.py bundles/* > catalog.tsv
    python mr_jobs/mr_catalog_images.py -r hadoop --output-dir hdfs:///catalog hdfs:///bundles
"""

from __future__ import annotations

from collections.abc import Iterator

from mrjob.protocol import RawValueProtocol
from mrjob.step import MRStep

from mr_jobs.image_input import ImageInput
from mr_jobs.job import WholeBundleInput, bundle_step
from mr_jobs.lib.hbase_rows import metadata_cells
from mr_jobs.lib.judge import catalog_row
from mr_jobs.spec_option import SpecOption


class MRCatalogImages(SpecOption, ImageInput, WholeBundleInput):
    """Map-only: image -> row."""

    OUTPUT_PROTOCOL = RawValueProtocol

    def steps(self) -> list[MRStep]:
        return [
            bundle_step(
                mapper_init=self.mapper_init, mapper=self.mapper, bundle_input=self.reads_bundles()
            )
        ]

    def mapper(self, key: str, encoded: bytes) -> Iterator[tuple[None, str]]:
        """Yield the image's row."""
        row = catalog_row(key, self.location, encoded, self.spec)
        for name in row.counters():
            self.count(name)
        self.note(key, metadata_cells(row))
        yield None, row.to_line()


if __name__ == "__main__":
    MRCatalogImages.run()

"""Catalogue the images of the bundles: bundles -> one row of tab-separated text an image.

Input    bundles: SequenceFiles of (image key, encoded image); each is read whole by one task
Output   the columns of mr_jobs.lib.records.CatalogRow, one line an image, grouped by content
Counted  images/catalogued = images/kept + images/quarantined; images/duplicates; the quarantined
         ones by reason, as images/quarantined_<reason>

    python mr_jobs/mr_catalog_images.py bundles/part-* > catalog.tsv
    python mr_jobs/mr_catalog_images.py -r hadoop --output-dir hdfs:///catalog hdfs:///bundles
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from mrjob.protocol import RawProtocol, StandardJSONProtocol
from mrjob.step import MRStep

from mr_jobs.job import BundleInput, bundle_step
from mr_jobs.lib.errors import ImageError
from mr_jobs.lib.features import FeatureSpec
from mr_jobs.lib.imagenet import QUARANTINE, ImageKey
from mr_jobs.lib.images import MAX_IMAGE_PX, decode, probe
from mr_jobs.lib.records import CatalogRow


class MRCatalogImages(BundleInput):
    """Map: image -> (sha256, row). Reduce: rows of the same bytes -> duplicates marked."""

    INTERNAL_PROTOCOL = StandardJSONProtocol
    OUTPUT_PROTOCOL = RawProtocol
    SORT_VALUES = True  # the first of the same bytes is the one with the smallest key

    def configure_args(self) -> None:
        super().configure_args()
        self.add_passthru_arg(
            "--max-image-px",
            type=int,
            default=MAX_IMAGE_PX,
            help="quarantine images that claim more pixels, before decoding (default: %(default)s)",
        )
        self.add_passthru_arg(
            "--min-side-px",
            type=int,
            default=FeatureSpec().image_px,
            help="decode a large JPEG reduced, as the features job with this image_px will, so "
            "that the two agree on what decodes (default: %(default)s)",
        )

    def steps(self) -> list[MRStep]:
        whole_bundles = {"mapreduce.input.fileinputformat.split.minsize": str(1 << 60)}
        return [
            bundle_step(
                mapper_init=self.mapper_init,
                mapper=self.mapper,
                reducer=self.reducer,
                bundle_input=True,
                jobconf=whole_bundles,  # offsets are known from a bundle's start only
            )
        ]

    def mapper(self, key: str, encoded: bytes) -> Iterator[tuple[str, list[object]]]:
        """Yield (sha256, row) with the key first, by which the rows are sorted."""
        row = self._row(key, encoded)
        self.count("catalogued")
        self.count(row.status)
        if row.reason:
            self.count(f"quarantined_{row.reason}")
        yield row.sha256, [key, *row]

    def reducer(self, _: str, rows: Iterator[list[object]]) -> Iterator[tuple[str, str]]:
        """Yield the rows of one content, all but the first marked as duplicates of it."""
        first: str | None = None
        for key, *fields in rows:
            row = CatalogRow(*fields)  # type: ignore[arg-type]  # JSON keeps the types
            if first is not None:
                self.count("duplicates")
                row = row._replace(duplicate_of=first)
            first = first or str(key)
            image_id, _, rest = row.to_line().partition("\t")
            yield image_id, rest

    def _row(self, key: str, encoded: bytes) -> CatalogRow:
        image = ImageKey.parse(key)
        reason = image.wnid if image.split == QUARANTINE else None
        seen = None
        try:
            seen = probe(encoded)
            decode(
                encoded,
                max_image_px=self.options.max_image_px,
                min_side_px=self.options.min_side_px,
            )
        except ImageError as error:
            reason = reason or error.reason
        return CatalogRow(
            image_id=image.image_id,
            wnid=image.wnid,
            split=image.split,
            key=key,
            bundle=self.location.bundle,
            offset=self.location.offset,
            length=self.location.length,
            bytes=len(encoded),
            sha256=hashlib.sha256(encoded).hexdigest(),
            width=seen and seen.width_px,
            height=seen and seen.height_px,
            channels=seen and seen.channels,
            format=seen and seen.format,
            exif_orientation=seen and seen.exif_orientation,
            duplicate_of=None,
            status="quarantined" if reason else "kept",
            reason=reason,
        )


if __name__ == "__main__":
    MRCatalogImages.run()

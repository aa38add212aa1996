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

import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from mrjob.step import MRStep

from mr_jobs.job import BundleOutput, bundle_step
from mr_jobs.lib.errors import DataError
from mr_jobs.lib.imagenet import QUARANTINE
from mr_jobs.lib.rawtar import Plan, RawRange, key_of, label_key, walk_members
from mr_jobs.lib.shown import shown
from mr_jobs.webhdfs import open_range


class MRBundleImages(BundleOutput):
    """Map-only: ranges of raw images -> one bundle a plan file."""

    def configure_args(self) -> None:
        super().configure_args()
        self.add_file_arg(
            "--synsets",
            default=None,
            help="file with the known wnids, one a line; images of others are quarantined",
        )
        self.add_passthru_arg(
            "--webhdfs",
            default=None,
            metavar="URL",
            help="the namenode's HTTP address, to read ranges of hdfs:// tars",
        )

    def steps(self) -> list[MRStep]:
        return [
            bundle_step(
                mapper_init=self.mapper_init,
                mapper=self.mapper,
                bundle_output=True,
                jobconf={"mapreduce.input.fileinputformat.split.minsize": str(1 << 60)},
            )
        ]

    def mapper_init(self) -> None:
        super().mapper_init()
        self._synsets = (
            frozenset(Path(self.options.synsets).read_text("utf-8").split("\n"))
            if self.options.synsets
            else None
        )

    def mapper(self, _: None, line: str) -> Iterator[tuple[str, bytes]]:
        """Yield (image key, encoded image) for each image of a bundle's plan."""
        plan = Plan.from_line(line)
        for raw in plan.ranges:
            found = 0
            # a line of Hadoop's protocol, which a line end in a name would add another one to
            self.set_status(f"{shown(raw.uri)} from byte {raw.offset}")
            for name, encoded in _images(raw, plan.labels, self.options.webhdfs):
                key = key_of(raw, name, plan.labels, self._synsets)
                found += 1
                self.count("bundled")
                if key.split == QUARANTINE:
                    self.count(key.wnid)
                yield str(key), encoded
            if found != raw.n_images:
                raise DataError(
                    f"{raw.uri}: {found} images in the range from byte {raw.offset}, the plan says "
                    f"{raw.n_images}; it changed since it was ingested"
                )


def _images(
    raw: RawRange, labels: Mapping[str, str], webhdfs_url: str | None
) -> Iterator[tuple[str, bytes]]:
    """Yield (name, encoded image) for each image of a range."""
    end = raw.offset + raw.length
    with open_range(raw.uri, raw.offset, raw.length, webhdfs_url) as file:
        if raw.kind == "file":
            yield raw.name, _read(file, raw.length, raw)
            return
        try:
            for member in walk_members(file, raw.offset, end, cut=True):
                unlabelled = raw.kind == "labelled" and label_key(raw, member.name) not in labels
                if member.refused or unlabelled:
                    continue
                file.seek(member.data_offset)
                yield member.name, _read(file, member.size, raw)
        except tarfile.ReadError as error:
            raise DataError(f"{raw.uri}: {error} where the plan has images; it changed") from error


def _read(file: BinaryIO, size: int, raw: RawRange) -> bytes:
    encoded = file.read(size)
    if len(encoded) != size:
        raise DataError(f"{raw.uri}: an image is cut short at byte {file.tell()}; it changed")
    return encoded


if __name__ == "__main__":
    MRBundleImages.run()

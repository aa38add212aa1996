"""Bundle the images of raw tars: tars -> SequenceFiles of (image key, encoded image).

Input    plan files of one line, a list of ranges of tars (mr_jobs/lib/rawtar.py) that makes one
         bundle; `bin/pipeline ingest` writes them
Output   bundles: `<split>/<wnid>/<file name>` -> the image's bytes as they were in the tar
Counted  images/bundled; images/unlabelled, when a validation image has no label, and
         images/unknown_synset: these are bundled under `quarantine/<reason>/`

    python mr_jobs/mr_bundle_images.py --output-dir bundles plan/*.tsv
    python mr_jobs/mr_bundle_images.py -r hadoop --output-dir hdfs:///bundles hdfs:///plan
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path

from mrjob.step import MRStep

from mr_jobs.job import BundleOutput, bundle_step
from mr_jobs.lib.errors import DataError
from mr_jobs.lib.imagenet import QUARANTINE, UNLABELLED
from mr_jobs.lib.rawtar import RawRange, image_members, key_of, read_plan_line
from mr_jobs.webhdfs import open_range


class MRBundleImages(BundleOutput):
    """Map-only: ranges of tars -> one bundle a plan file."""

    def configure_args(self) -> None:
        super().configure_args()
        self.add_file_arg(
            "--labels",
            default=None,
            help="file of `image_id<TAB>wnid` lines for flat tars, whose images carry no label",
        )
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
        self._labels = _read_labels(self.options.labels) if self.options.labels else {}
        self._synsets = (
            frozenset(Path(self.options.synsets).read_text("utf-8").split("\n"))
            if self.options.synsets
            else None
        )

    def mapper(self, _: None, line: str) -> Iterator[tuple[str, bytes]]:
        """Yield (image key, encoded image) for each image of a bundle's plan."""
        for raw in read_plan_line(line):
            yield from self._images(raw)

    def _images(self, raw: RawRange) -> Iterator[tuple[str, bytes]]:
        found = 0
        self.set_status(f"{raw.uri} from byte {raw.offset}")
        with (
            open_range(raw.uri, raw.offset, raw.length, self.options.webhdfs) as stream,
            tarfile.open(fileobj=stream, mode="r|", errorlevel=2) as tar,
        ):
            for member in image_members(tar):
                content = tar.extractfile(member)
                encoded = content.read() if content else b""
                if len(encoded) != member.size:
                    raise DataError(f"{raw.uri}: member {member.name!r} is cut short")
                key = key_of(raw, member.name, self._labels, self._synsets)
                found += 1
                self.count("bundled")
                if key.split == QUARANTINE:
                    self.count(key.wnid)
                yield str(key), encoded
        if found != raw.n_images:
            raise DataError(
                f"{raw.uri}: {found} images in the range from byte {raw.offset}, the plan says "
                f"{raw.n_images}; the tar changed since it was ingested"
            )


def _read_labels(path: str) -> dict[str, str]:
    with Path(path).open(encoding="utf-8") as file:
        pairs = (line.rstrip("\n").split("\t") for line in file)
        return {image_id: wnid for image_id, wnid in pairs if wnid != UNLABELLED}


if __name__ == "__main__":
    MRBundleImages.run()

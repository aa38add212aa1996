"""The base of the jobs that take raw images by plans: ranges of tars and plain files."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from mr_jobs.image_job import ImageJob
from mr_jobs.lib.errors import DataError
from mr_jobs.lib.imagenet import QUARANTINE
from mr_jobs.lib.rawtar import Plan, RawRange, key_of, label_key, walk_members
from mr_jobs.lib.shown import shown
from mr_jobs.webhdfs import open_range

# a plan is a task, however small it is
PLAN_A_TASK = {"mapreduce.input.fileinputformat.split.minsize": str(1 << 60)}


class PlannedImages(ImageJob):
    """A job whose input are plan files of one line (mr_jobs/lib/rawtar.py)."""

    def configure_args(self) -> None:
        """Take the known synsets, and where HDFS is."""
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

    def mapper_init(self) -> None:
        """Read the known synsets."""
        super().mapper_init()
        self._synsets = (
            frozenset(Path(self.options.synsets).read_text("utf-8").split("\n"))
            if self.options.synsets
            else None
        )

    def planned(self, line: str) -> Iterator[tuple[str, bytes]]:
        """Yield (image key, encoded image) for each image of a plan; those kept apart are counted.

        Raises
        ------
        DataError
            The raw data are not as the plan has them.
        """
        plan = Plan.from_line(line)
        for raw in plan.ranges:
            found = 0
            # a line of Hadoop's protocol, which a line end in a name would add another one to
            self.set_status(f"{shown(raw.uri)} from byte {raw.offset}")
            for name, encoded in _images(raw, plan.labels, self.options.webhdfs):
                key = key_of(raw, name, plan.labels, self._synsets)
                found += 1
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

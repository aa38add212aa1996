r"""Put raw images into a table of HBase: tars and plain files -> a row an image.

Input    plan files of one line (mr_jobs/lib/rawtar.py), as mr_bundle_images.py has them
Output   nothing; in the table a row an image (mr_jobs/lib/hbase_rows.py): the image's bytes as they
         were, and the batch. A task that is tried twice puts the same rows twice, which are one
Counted  images/bundled: rows that HBase has taken; images/unlabelled and images/unknown_synset as
         mr_bundle_images.py

    python mr_jobs/mr_put_images.py --hbase 127.0.0.1:9090/imagenet_mine --batch 00000 plan/*.json
    python mr_jobs/mr_put_images.py -r hadoop --hbase 127.0.0.1:9090/imagenet_mine \
        --webhdfs http://127.0.0.1:9870 --batch 00000 hdfs:///plan
"""

from __future__ import annotations

from collections.abc import Iterator

from mrjob.protocol import RawValueProtocol
from mrjob.step import MRStep

from mr_jobs.hbase import Table, add_table_option
from mr_jobs.hbase_images import RowWriter
from mr_jobs.lib.hbase_rows import Address
from mr_jobs.planned_images import PLAN_A_TASK, PlannedImages


class MRPutImages(PlannedImages):
    """Map-only: ranges of raw images -> rows."""

    OUTPUT_PROTOCOL = RawValueProtocol

    def configure_args(self) -> None:
        super().configure_args()
        add_table_option(self, "the table to put them into, through HBase's Thrift server")
        self.add_passthru_arg(
            "--batch",
            default="00000",
            metavar="NUMBER",
            help="number of the ingest that brings them (default: %(default)s)",
        )

    def steps(self) -> list[MRStep]:
        return [
            MRStep(
                mapper_init=self.mapper_init,
                mapper=self.mapper,
                mapper_final=self.mapper_final,
                jobconf=PLAN_A_TASK,
            )
        ]

    def mapper_init(self) -> None:
        super().mapper_init()
        self._rows = RowWriter(Table(Address.parse(str(self.options.hbase))))

    def mapper(self, _: None, line: str) -> Iterator[tuple[None, str]]:
        """Put the images of a plan; yield nothing."""
        for key, encoded in self.planned(line):
            self.count("bundled", self._rows.put_image(key, encoded, self.options.batch))
        yield from ()

    def mapper_final(self) -> Iterator[tuple[None, str]]:
        """Put the last ones."""
        self.count("bundled", self._rows.flush())
        self._rows.close()
        yield from ()


if __name__ == "__main__":
    MRPutImages.run()

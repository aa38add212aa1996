r"""Read every image of a table of HBase again: rows -> a line a place, to hold to the catalogue.

Input    lists of ranges of salts (mr_jobs/lib/hbase_rows.py), a line each
Output   the place, `<batch>-<salt>.hbase`; number of images, their bytes, digest of all keys and
         contents (mr_jobs/lib/audit.py); what is wrong with the first row that no image could be
         read of, or \N: the figures are of the others
Counted  images/verified; images/damaged_rows; images/salts, those that were read

    python mr_jobs/mr_verify_rows.py --hbase 127.0.0.1:9090/imagenet_mine --output-dir audit lists
    python mr_jobs/mr_verify_rows.py -r hadoop --hbase 127.0.0.1:9090/imagenet_mine \
        --output-dir hdfs:///audit hdfs:///lists
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from mrjob.protocol import RawProtocol, RawValueProtocol
from mrjob.step import MRStep

from mr_jobs.hbase import Table, add_table_option
from mr_jobs.hbase_images import audited
from mr_jobs.image_job import ImageJob
from mr_jobs.lib.audit import Figures
from mr_jobs.lib.hbase_rows import Address, SaltRange
from mr_jobs.lib.records import NULL


class MRVerifyRows(ImageJob):
    """Map-only: range of salts -> the figures of its places."""

    INPUT_PROTOCOL = RawValueProtocol
    OUTPUT_PROTOCOL = RawProtocol

    def configure_args(self) -> None:
        super().configure_args()
        add_table_option(self, "the table, through HBase's Thrift server")

    def steps(self) -> list[MRStep]:
        return [MRStep(mapper_init=self.mapper_init, mapper=self.mapper)]

    def mapper(self, _: None, line: str) -> Iterator[tuple[str, str]]:
        """Yield the places of a range with their figures, a salt after the other."""
        wanted = SaltRange.from_line(line)
        with Table(Address.parse(str(self.options.hbase))) as table:
            for salt in range(wanted.first, wanted.last + 1):
                self.set_status(f"salt {salt:02x}")
                yield from self._of_salt(table, SaltRange(salt, salt, wanted.batch))

    def _of_salt(self, table: Table, salt: SaltRange) -> Iterator[tuple[str, str]]:
        figures: defaultdict[str, Figures] = defaultdict(Figures)
        problems: dict[str, str] = {}
        for row in audited(table, salt):
            figures[row.place]  # is told, even if it is of no image
            if row.image is None:
                problems.setdefault(row.place, row.problem)
                self.count("damaged_rows")
            else:
                figures[row.place].add(row.image)
                self.count("verified")
        self.count("salts")
        for place, found in sorted(figures.items()):
            yield place, "\t".join((*found.to_fields(), problems.get(place, NULL)))


if __name__ == "__main__":
    MRVerifyRows.run()

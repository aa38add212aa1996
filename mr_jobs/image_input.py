"""The input of jobs over images: bundles, or with `--hbase` the rows of a table of HBase.

Input from HBase are lists of ranges of salts (mr_jobs/lib/hbase_rows.py), a line each, which the
tasks scan themselves through Thrift; what they make of an image can be noted in its row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mr_jobs.hbase import Table, add_table_option
from mr_jobs.hbase_images import RowWriter, scan_images
from mr_jobs.job import BundleInput
from mr_jobs.lib.errors import DataError
from mr_jobs.lib.hbase_rows import Address, SaltRange, place_of


class ImageInput(BundleInput):
    """A job whose first step maps images: `mapper(key, encoded)`."""

    _notes: RowWriter | None = None

    def configure_args(self) -> None:
        """Take the address of a table."""
        super().configure_args()
        add_table_option(
            self,
            "read the rows of this table of HBase, through its Thrift server; the input files "
            "are lists of ranges of salts (default: the input are bundles)",
        )

    def reads_bundles(self) -> bool:
        """Say whether the input are bundles."""
        return self.options.hbase is None

    def hadoop_input_format(self) -> str | None:
        """Let Hadoop hand on the lines of lists as they are."""
        found: str | None = super().hadoop_input_format()
        return found if self.reads_bundles() else None

    def run_mapper(self, step_num: int = 0) -> None:
        """Run the map task, and put what it noted last."""
        super().run_mapper(step_num)
        if self._notes is not None:
            self._notes.flush()
            self._notes.close()
            self._notes = None

    def note(self, key: str, cells: Mapping[bytes, bytes]) -> None:
        """Put cells into an image's row, if images are rows."""
        if self.reads_bundles():
            return
        if self._notes is None:
            self._notes = RowWriter(Table(Address.parse(self.options.hbase)))
        self._notes.put(key, cells)

    def _records(self) -> Iterator[tuple[str, bytes]]:
        if self.reads_bundles():
            yield from super()._records()
            return
        with Table(Address.parse(self.options.hbase)) as table:
            for line in self.stdin:
                for image in scan_images(table, SaltRange.from_line(line.decode())):
                    if image.batch is None:
                        raise DataError(f"{image.key}: its row in HBase says no batch")
                    self.location = place_of(image.key, image.batch)
                    yield image.key, image.encoded

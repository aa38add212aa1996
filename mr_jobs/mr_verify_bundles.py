r"""Read every image of the bundles again: bundles -> one line a bundle, to hold to the catalogue.

Input    lists of bundles, a line each: path or URI, and bytes of the file, tab-separated
Output   the bundle's file name; number of images, their bytes, digest of all keys, places and
         contents (mr_jobs/lib/audit.py); byte at which it is damaged and the sentence that says
         how, or \N twice: the figures are of the images before the damage
Counted  images/verified; images/damaged_bundles

    python mr_jobs/mr_verify_bundles.py --output-dir audit lists
    python mr_jobs/mr_verify_bundles.py -r hadoop --webhdfs http://127.0.0.1:9870 \
        --output-dir hdfs:///audit hdfs:///lists
"""

from __future__ import annotations

from collections.abc import Iterator

from mrjob.protocol import RawProtocol, RawValueProtocol
from mrjob.step import MRStep

from mr_jobs.job import ImageJob
from mr_jobs.lib.audit import Figures, stored_images
from mr_jobs.lib.errors import BundleError, DataError
from mr_jobs.lib.records import NULL
from mr_jobs.lib.shown import shown
from mr_jobs.webhdfs import open_range


class MRVerifyBundles(ImageJob):
    """Map-only: bundle -> its figures, and the first damage in it.

    The bundles are read here and not by Hadoop, whose own reader would fail the whole job at a
    damaged one.
    """

    INPUT_PROTOCOL = RawValueProtocol
    OUTPUT_PROTOCOL = RawProtocol

    def configure_args(self) -> None:
        super().configure_args()
        self.add_passthru_arg(
            "--webhdfs",
            default=None,
            metavar="URL",
            help="the namenode's HTTP address, to read hdfs:// bundles",
        )

    def steps(self) -> list[MRStep]:
        return [MRStep(mapper_init=self.mapper_init, mapper=self.mapper)]

    def mapper(self, _: None, line: str) -> Iterator[tuple[str, str]]:
        """Yield a bundle's name and its figures."""
        uri, n_bytes = line.rstrip().split("\t")
        self.set_status(shown(uri))
        figures = Figures()
        damaged_at, problem = NULL, NULL
        try:
            with open_range(uri, 0, int(n_bytes), self.options.webhdfs) as file:
                for image in stored_images(file, uri):
                    figures.add(image)
                    self.count("verified")
        except DataError as error:
            damaged_at = str(error.offset) if isinstance(error, BundleError) else NULL
            problem = " ".join(str(error).split())
            self.count("damaged_bundles")
        yield uri.rpartition("/")[2], "\t".join((*figures.to_fields(), damaged_at, problem))


if __name__ == "__main__":
    MRVerifyBundles.run()

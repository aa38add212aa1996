"""Find the images of a catalogue that are the same: catalogue rows -> pairs of duplicates.

Input    catalogue: rows of mr_jobs.lib.records.CatalogRow; nothing is decoded
Output   mr_jobs.lib.duplicates.DuplicatePair, one line a pair: the newer image first
Counted  images/read; images/exact, those with the bytes of an older one; unless --exact-only also
         images/compared, images/flat (too flat to compare) and images/near_pairs, and where a band
         holds too many images images/bands_capped and images/band_images_skipped

Equal bytes meet under their SHA-256, each paired with the oldest. Of the others, decoded ones meet
under the bands of their signatures (`mr_jobs.lib.perceptual`). An image is older than another if
its batch is, or its key is smaller within one batch; it is paired with older ones only, so that
adding a batch changes no pair of the old ones. Quarantined images take part in exact pairs only.

    python mr_jobs/mr_group_duplicates.py catalog/*.tsv > pairs.tsv
    python mr_jobs/mr_group_duplicates.py -r hadoop --output-dir hdfs:///pairs hdfs:///catalog
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from mrjob.protocol import RawProtocol
from mrjob.step import MRStep

from mr_jobs.job import ImageJob
from mr_jobs.lib.duplicates import MAX_DISTANCE, DuplicatePair, batch_of
from mr_jobs.lib.nearness import Entries, near_pairs
from mr_jobs.lib.perceptual import bands, is_flat
from mr_jobs.lib.records import CatalogRow

MAX_BAND = 20_000  # entries under one key: a task's memory is bounded by it
_ENTRIES_AT_ONCE = 512  # of small bands, for speed
_PAIR, _IMAGE = "pair", "image"  # what the first step hands to the second


class MRGroupDuplicates(ImageJob):
    """Reduce by content -> exact pairs and one image each; reduce by bands -> near pairs."""

    INTERNAL_PROTOCOL = RawProtocol
    OUTPUT_PROTOCOL = RawProtocol
    SORT_VALUES = True  # by their first field, the age: the oldest comes first

    def configure_args(self) -> None:
        super().configure_args()
        self.add_passthru_arg(
            "--exact-only", action="store_true", help="find no near duplicates, only equal bytes"
        )
        self.add_passthru_arg(
            "--max-distance",
            type=int,
            default=MAX_DISTANCE,
            help="bits of 64 that near duplicates may differ in (default: %(default)s)",
        )

    def steps(self) -> list[MRStep]:
        by_content = MRStep(mapper=self.map_contents, reducer=self.reduce_contents)
        if self.options.exact_only:
            return [by_content]
        return [
            by_content,
            MRStep(
                mapper_init=self.mapper_init,
                mapper=self.map_bands,
                reducer_init=self.reducer_init,
                reducer=self.reduce_bands,
                reducer_final=self.compare,
            ),
        ]

    def reducer_init(self) -> None:
        """Begin with no entries."""
        self.mapper_init()
        self._begin()

    def map_contents(self, _: None, line: str) -> Iterator[tuple[str, str]]:
        """Yield (sha256, age, whether kept, signature)."""
        row = CatalogRow.from_line(line)
        kept = row.status == "kept"
        self.count("read")
        yield row.sha256, f"{_age(row)}\t{int(kept)}\t{(kept and row.signature) or ''}"

    def reduce_contents(self, _: str, values: Iterator[str]) -> Iterator[tuple[str, str]]:
        """Yield a pair for each image but the oldest, and the oldest kept one for the next step."""
        oldest: tuple[str, int, bool] | None = None
        passed_on = self.options.exact_only
        for value in values:
            age, told, signature = value.split("\t")
            (batch, key), kept = _read_age(age), told == "1"
            if oldest is None:
                oldest = key, batch, kept
            else:
                self.count("exact")
                old_key, old_batch, old_kept = oldest
                pair = DuplicatePair(key, old_key, "exact", 0, batch, old_batch, kept, old_kept)
                yield from self._pair(pair)
            if signature and not passed_on:
                passed_on = True
                yield _IMAGE, f"{age}\t{signature}"

    def map_bands(self, what: str, value: str) -> Iterator[tuple[str, str]]:
        """Yield (band, age, signature, parts that fall into the band, -1 for the whole)."""
        if what == _PAIR:
            newer, _, _ = value.partition("\t")
            yield f"{_PAIR} {newer}", value
            return
        age, signature = value.split("\t")
        if is_flat(signature):
            self.count("flat")
            return
        self.count("compared")
        wholes, parts = bands(signature)
        found = defaultdict(list, {band: [-1] for band in wholes})
        for part, band in enumerate(parts):
            found[band].append(part)
        for band, numbers in found.items():
            yield f"band {band:04x}", f"{age}\t{signature}\t{','.join(map(str, numbers))}"

    def reduce_bands(self, what: str, values: Iterator[str]) -> Iterator[tuple[str, str]]:
        """Yield the near pairs of a band, and pass on the exact ones."""
        if what.startswith(_PAIR):
            for value in values:
                yield _split(value)
            return
        band, before = int(what.rpartition(" ")[2], 16), len(self._entries)
        for value in values:
            age, signature, numbers = value.split("\t")
            parts = [int(number) for number in numbers.split(",")]
            if len(self._entries) - before + len(parts) > MAX_BAND:
                self.count("bands_capped")
                self.count("band_images_skipped", 1 + sum(1 for _ in values))
                break
            self._ages.append(_read_age(age))
            self._entries.add(band, signature, parts)
        if len(self._entries) >= _ENTRIES_AT_ONCE:
            yield from self.compare()

    def compare(self) -> Iterator[tuple[str, str]]:
        """Yield the near pairs of the bands read so far, and forget them."""
        for newer, older, distance in near_pairs(self._entries, self.options.max_distance):
            self.count("near_pairs")
            (batch, key), (old_batch, old_key) = self._ages[newer], self._ages[older]
            pair = DuplicatePair(key, old_key, "near", distance, batch, old_batch, True, True)
            yield _split(pair.to_line())
        self._begin()

    def _begin(self) -> None:
        self._entries = Entries()
        self._ages: list[tuple[int, str]] = []

    def _pair(self, pair: DuplicatePair) -> Iterator[tuple[str, str]]:
        line = pair.to_line()
        yield _split(line) if self.options.exact_only else (_PAIR, line)


def _age(row: CatalogRow) -> str:
    """Write what images are sorted by: batch, then key."""
    return f"{batch_of(row.bundle):08d} {row.key}"


def _read_age(age: str) -> tuple[int, str]:
    batch, _, key = age.partition(" ")
    return int(batch), key


def _split(line: str) -> tuple[str, str]:
    first, _, rest = line.partition("\t")
    return first, rest


if __name__ == "__main__":
    MRGroupDuplicates.run()

"""The images that a catalogue quarantined: what is known of one, and another judgement of all.

Memory follows the images of one bundle that get another verdict, never the number of images.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from mr_jobs.hbase_images import RowWriter
from mr_jobs.lib import truncated
from mr_jobs.lib.errors import ConfigError, DataError, ImageError
from mr_jobs.lib.features import FeatureSpec
from mr_jobs.lib.hbase_rows import metadata_cells
from mr_jobs.lib.imagenet import QUARANTINE
from mr_jobs.lib.images import decode_probed, probe
from mr_jobs.lib.judge import catalog_row
from mr_jobs.lib.magick import decode_with_magick
from mr_jobs.lib.records import CatalogRow
from pipeline import catalog, hbase_store
from pipeline.images import Images
from pipeline.ledger import Batch, Ledger
from pipeline.progress import Progress
from pipeline.reading import Traffic, read_images
from pipeline.stores import Store

_SETTABLE = frozenset(["truncated", "magick"])  # repairs that [repair] can switch off
_FIRST_BYTES = 32


class Refused(NamedTuple):
    """A file of the raw data that was never taken as an image."""

    source: str
    member: str
    reason: str


class Changed(NamedTuple):
    """An image's row as it is in the catalogue, and as it would be now."""

    old: CatalogRow
    new: CatalogRow


def refused(store: Store) -> Iterator[Refused]:
    """Yield the refused members."""
    for name in store.files("refused"):
        with store.open(name) as file:
            for line in file:
                yield Refused(*line.decode().rstrip("\n").split("\t"))


def find(store: Store, name: str) -> CatalogRow:
    """Return the row of an image by its key, or by its image_id if only one image has it.

    Raises
    ------
    DataError
        If there is no such image, or more than one.
    """
    named: list[CatalogRow] = []
    for row in catalog.rows(store):
        if row.key == name:
            return row
        if row.image_id == name:
            named.append(row)
    if len(named) != 1:
        told = (
            f"name one by its key: {', '.join(row.key for row in named[:5])}"
            if named
            else ("`bin/pipeline quarantine list` shows the quarantined ones")
        )
        raise DataError(f"{len(named)} images are called {name!r}; {told}")
    return named[0]


def examine(row: CatalogRow, encoded: bytes, spec: FeatureSpec) -> dict[str, Any]:
    """Say everything that can be known of an image.

    Returns
    -------
    row; verdict: of the present settings; header: what it claims; opencv, imagemagick: what each
    says; decoded_share: of a JPEG that ends too early; first_bytes: hexadecimal and as text.
    """
    first = encoded[:_FIRST_BYTES]
    found: dict[str, Any] = {
        "row": row._asdict(),
        "verdict": verdict(_judged(row, encoded, spec)),
        "header": None,
        "opencv": None,
        "imagemagick": None,
        "decoded_share": None,
        "first_bytes": first.hex(" "),
        "first_text": "".join(chr(b) if 32 <= b < 127 else "." for b in first),
    }
    try:
        header = probe(encoded)
    except ImageError as error:
        found["header"] = str(error)
        return found
    found["header"] = header._asdict()
    try:
        decode_probed(encoded, header, max_image_px=spec.max_image_px, min_side_px=None)
        found["opencv"] = "decodes it"
    except ImageError as error:
        found["opencv"] = str(error)
        if error.reason != "undecodable":
            return found
    try:
        decode_with_magick(encoded, header)
        found["imagemagick"] = "decodes it"
    except (ImageError, ConfigError) as error:
        found["imagemagick"] = str(error)
    cut = truncated.rescue(encoded) if header.format == "jpeg" else None
    found["decoded_share"] = cut and round(cut[1], 4)
    return found


def verdict(row: CatalogRow) -> str:
    """Say in a word or two what becomes of an image."""
    if row.reason:
        return row.reason
    return f"kept ({row.repairs})" if row.repairs else "kept"


def _judged(row: CatalogRow, encoded: bytes, spec: FeatureSpec) -> CatalogRow:
    return catalog_row(row.key, (row.bundle, row.offset, row.length), encoded, spec)


@dataclass
class Retry:
    """Judges anew, by other settings, every image whose verdict they may change.

    These are the quarantined ones, and the kept ones that the settings in force before let pass:
    truncated, only by ImageMagick, or now too large. Then the catalogue is what cataloguing all
    images anew would make.

    Parameters
    ----------
    images : the image store.
    spec : the settings, `max_image_px` and `repair`.
    reason : judge only images quarantined for it; with `apply` all are judged.
    apply : write the new rows into the catalogue.

    Attributes
    ----------
    counts : of `old -> new` verdicts that differ.
    n_judged : images judged.
    """

    images: Images
    spec: FeatureSpec
    reason: str | None = None
    apply: bool = False
    counts: Counter[str] = field(default_factory=Counter)
    n_judged: int = 0

    def run(self, progress: Progress) -> Iterator[Changed]:
        """Yield the images whose verdict changes; the catalogue is written as they are drawn.

        Raises
        ------
        ConfigError
            If the catalogue was made by other code, so that judging some images is not enough.
        DataError
            If an image's bytes are not those catalogued.
        """
        store = self.images.store
        ledger = Ledger.load(store)
        if self.apply:
            self._check_code(ledger.batches)
            for batch in ledger.batches:
                batch.catalogued = None  # so that all is catalogued anew if this is interrupted
            ledger.save(store)
            store.delete("catalog/_manifest.json")  # the step has its totals to make anew
        files = store.files("catalog")
        for number, name in enumerate(files):
            changed = {row.old.key: row for row in self._judge(_rows(store, name))}
            if self.apply and changed:
                new = (
                    changed[row.key].new if row.key in changed else row
                    for row in _rows(store, name)
                )
                store.write(name, (f"{row.to_line()}\n".encode() for row in new))
                self._note_rows(row.new for row in changed.values())
            yield from changed.values()
            progress.update(number + 1, len(files), "bundles")
        if self.apply:
            self._note(ledger)

    def _note_rows(self, rows: Iterable[CatalogRow]) -> None:
        """Put new verdicts into the images' rows, if images are rows of HBase."""
        place = hbase_store.place_of(self.images)
        if place:
            with place.open() as table:
                writer = RowWriter(table)
                for row in rows:
                    writer.put(row.key, metadata_cells(row))
                writer.flush()

    def _check_code(self, batches: Iterable[Batch]) -> None:
        wanted = self._code(self.spec.decoding())
        for batch in batches:
            if batch.images and self._code(batch.catalogued or {}) != wanted:
                raise ConfigError(
                    "the catalogue was made with another version of the decoding code or of "
                    "OpenCV, or is not complete; catalogue all images again with "
                    "`bin/pipeline ingest`"
                )

    @staticmethod
    def _code(decoding: Mapping[str, Any]) -> list[Any]:
        return [decoding.get(name) for name in ("decoding", "opencv")]

    def _judge(self, rows: Iterator[CatalogRow]) -> Iterator[Changed]:
        affected = (row for row in rows if self._may_change(row))
        for found in read_images(self.images, affected, Traffic()):
            if found.problem:
                raise DataError(f"{found.row.key}: {found.problem}; run `bin/pipeline verify`")
            self.n_judged += 1
            new = _judged(found.row, found.encoded, self.spec)
            if new != found.row:
                self.counts[f"{verdict(found.row)} -> {verdict(new)}"] += 1
                yield Changed(found.row, new)

    def _may_change(self, row: CatalogRow) -> bool:
        if row.reason:
            chosen = self.apply or self.reason in (None, row.reason)
            return chosen and row.split != QUARANTINE
        if self.reason is not None and not self.apply:
            return False
        too_large = (row.width or 0) * (row.height or 0) > self.spec.max_image_px
        return too_large or not _SETTABLE.isdisjoint((row.repairs or "").split(","))

    def _note(self, ledger: Ledger) -> None:
        """Write into the ledger what the catalogue now counts, and which settings made it."""
        store = self.images.store
        for batch in ledger.batches:
            counts: Counter[str] = Counter()
            for name in store.files("catalog"):
                if name.startswith(f"catalog/{batch.name}-"):
                    for row in _rows(store, name):
                        counts.update(row.counters())
            batch.catalog_counts = counts
            batch.catalogued = self.spec.decoding() if batch.images else None
        ledger.save(store)


def _rows(store: Store, name: str) -> Iterator[CatalogRow]:
    with store.open(name) as file:
        for line in file:
            yield CatalogRow.from_line(line.decode())

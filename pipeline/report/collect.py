"""Gather what the page shows of the images, while they are there: counts, sizes, thumbnails.

It goes into the saved run as report_images.json, so that the page can be made again without them.
"""

from __future__ import annotations

import heapq
import json
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

from mr_jobs.lib.errors import ClusterError
from mr_jobs.lib.records import CatalogRow, ShardKey, shard_key
from pipeline import catalog, selecting
from pipeline.division import split_settings
from pipeline.reading import Traffic, read_images
from pipeline.report.glyphs import hog_glyph
from pipeline.report.predictions import most_confident_mistakes
from pipeline.report.saved import IMAGES_FILE, SavedRun
from pipeline.report.thumbnails import thumbnail
from pipeline.step import Context

N_MISTAKES = 24
N_QUARANTINED = 24
N_SHEETS = 50  # contact sheets, of the synsets with the highest errors
N_A_SHEET = 8
N_GLYPHS = 6
SIDES_PX = (0, 32, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 4096)
SIZES_BYTES = (0, *(1 << n for n in range(10, 25)))  # 1 KiB to 16 MiB


@dataclass
class Chosen:
    """Images of the catalogue for one sheet: those with the smallest hashes, of any number."""

    n: int
    _heap: list[tuple[int, str, CatalogRow]] = field(default_factory=list)

    def add(self, row: CatalogRow) -> None:
        """Consider an image."""
        heapq.heappush(self._heap, (-int(row.sha256[:15], 16), row.key, row))
        if len(self._heap) > self.n:
            heapq.heappop(self._heap)

    def rows(self) -> list[CatalogRow]:
        """Return the chosen ones, in the same order whatever the order they came in."""
        return [row for _, _, row in sorted(self._heap, reverse=True)]


@dataclass
class Census:
    """What one pass over the catalogue finds."""

    sheets: dict[str, Chosen]
    wanted: set[str]  # keys as in predictions.tsv, of which the rows are looked for
    splits: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    sides: Counter[int] = field(default_factory=Counter)
    sizes: Counter[int] = field(default_factory=Counter)
    found: dict[str, CatalogRow] = field(default_factory=dict)
    quarantined: defaultdict[str, Chosen] = field(
        default_factory=lambda: defaultdict(lambda: Chosen(N_QUARANTINED))
    )

    def add(self, row: CatalogRow, split: str, key: str) -> None:
        """Count a kept image under the split and key that it has in the shards."""
        self.splits[row.wnid][split] += 1
        self.sides[bisect_right(SIDES_PX, min(row.width or 0, row.height or 0)) - 1] += 1
        self.sizes[bisect_right(SIZES_BYTES, row.bytes) - 1] += 1
        if row.wnid in self.sheets:
            self.sheets[row.wnid].add(row)
        if key in self.wanted:
            self.found[key] = row

    def of_quarantine(self) -> list[CatalogRow]:
        """Return some quarantined images, of every reason in turn."""
        by_reason = [chosen.rows() for _, chosen in sorted(self.quarantined.items())]
        turns = chain.from_iterable(zip_longest(*by_reason))
        return [row for row in turns if row is not None][:N_QUARANTINED]


def collect(context: Context, run_dir: Path) -> None:
    """Write report_images.json into the directory of a run that is being saved."""
    from models.report import printable

    saved = SavedRun.load(run_dir)
    mistakes = most_confident_mistakes(run_dir, N_MISTAKES)
    worst = [row.wnid for row in saved.worst_first()[:N_SHEETS]]
    sheets = {wnid: Chosen(N_A_SHEET) for wnid in worst or saved.wnids[:N_SHEETS]}
    census = Census(sheets, {row.key for row in mistakes})
    settings, left = split_settings(context), selecting.left_after(context, "split")
    for row in catalog.rows(context.images.store):
        if row.reason:
            census.quarantined[row.reason].add(row)
        elif left is None or row.key in left:
            shard = ShardKey.parse(shard_key(row.key, *settings))
            census.add(row, shard.split, printable(str(shard.image)))
    facts = _Pictures(context).facts(census)
    text = json.dumps(facts, ensure_ascii=False, indent=0, allow_nan=False)
    (run_dir / IMAGES_FILE).write_text(f"{text}\n", "utf-8")


class _Pictures:
    """The pictures of a census, each read once."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._made: dict[str, dict[str, Any]] = {}
        self._glyphs: dict[str, dict[str, Any] | None] = {}  # by key; of which to make some

    def facts(self, census: Census) -> dict[str, Any]:
        """Return what the file holds."""
        quarantined = census.of_quarantine()
        sheets = {wnid: chosen.rows() for wnid, chosen in census.sheets.items()}
        drawn = [rows[0] for rows in sheets.values() if rows][:N_GLYPHS]
        self._glyphs = {row.key: None for row in drawn}
        rows = [*census.found.values(), *chain.from_iterable(sheets.values()), *quarantined]
        self._read({row.key: row for row in rows}.values())
        return {
            "splits": {wnid: dict(census.splits[wnid]) for wnid in sorted(census.splits)},
            "sides": _bins(SIDES_PX, census.sides),
            "sizes": _bins(SIZES_BYTES, census.sizes),
            "mistakes": {key: self._of(row) for key, row in sorted(census.found.items())},
            "sheets": {wnid: list(map(self._of, sheets[wnid])) for wnid in sorted(sheets)},
            "glyphs": [
                {"wnid": row.wnid, "key": row.key, **glyph}
                for row in drawn
                if (glyph := self._glyphs[row.key])
            ],
            "quarantined": [{**self._of(row), "reason": row.reason} for row in quarantined],
        }

    def _of(self, row: CatalogRow) -> dict[str, Any]:
        missing = {"problem": "no picture: the image store did not give it"}
        return {"key": row.key, **self._made.get(row.key, missing)}

    def _read(self, rows: Iterable[CatalogRow]) -> None:
        spec = self._context.config.features
        try:
            for found in read_images(self._context.images, rows, Traffic()):
                key = found.row.key
                if found.problem:
                    self._made[key] = {"problem": f"no picture: {found.problem}"}
                    continue
                self._made[key] = thumbnail(found.encoded, spec.repair, spec.max_image_px)
                if key in self._glyphs and "src" in self._made[key]:
                    self._glyphs[key] = hog_glyph(found.encoded, spec)
        except ClusterError:
            return  # the others have no picture; a report is no reason to lose a model


def _bins(edges: tuple[int, ...], counts: Counter[int]) -> list[list[int | None]]:
    """Return [low, high, images] of each bin from the first to the last that holds any."""
    used = range(min(counts, default=0), max(counts, default=-1) + 1)
    ends = (*edges[1:], None)
    return [[edges[bin_], ends[bin_], counts[bin_]] for bin_ in used]

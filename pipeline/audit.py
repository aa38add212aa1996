"""What `bin/pipeline verify` finds of a bundle, or of a place in HBase, beside the catalogue."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, NamedTuple

from mr_jobs.lib.audit import Figures, Stored

KINDS = ("missing", "added", "changed", "moved")
_NAMED = 1000  # images at most, of each kind, of a bundle; all are counted


class Audit(NamedTuple):
    """What the job says of a bundle; figures are of the images before the damage, if any."""

    figures: Figures
    damaged_at: int | None
    problem: str | None


class Differences:
    """How the images of a bundle differ from its rows."""

    def __init__(self, rows: Iterable[Stored]) -> None:
        self._rows: dict[int | str, Stored] = {}  # in the end those not found where they say
        self._twice: list[Stored] = []
        for row in rows:
            if self._rows.setdefault(_spot(row), row) is not row:
                self._twice.append(row)
        self._odd: list[Stored] = []

    def compare(self, images: Iterable[Stored]) -> None:
        """Compare with what is stored."""
        for image in images:
            if self._rows.get(_spot(image)) == image:
                del self._rows[_spot(image)]
            else:
                self._odd.append(image)

    def told(self) -> dict[str, Any]:
        """Return the images by what is wrong with them, named and counted."""
        kinds: dict[str, list[Stored]] = {kind: [] for kind in KINDS}
        rows: dict[str, list[Stored]] = defaultdict(list)
        for row in (*self._rows.values(), *self._twice):
            rows[row.key].append(row)
        for image in self._odd:
            if not rows[image.key]:
                kinds["added"].append(image)
                continue
            same = rows[image.key].pop().sha256 == image.sha256
            kinds["moved" if same else "changed"].append(image)
        kinds["missing"] = [row for each in rows.values() for row in each]
        return {
            **{f"n_{kind}": len(found) for kind, found in kinds.items()},
            **{
                kind: [{"key": image.key, "offset": image.offset} for image in found[:_NAMED]]
                for kind, found in kinds.items()
            },
        }


def _spot(image: Stored) -> int | str:
    """Return where an image is: its offset in a bundle; in HBase its key is the place."""
    return image.key if image.offset is None else image.offset

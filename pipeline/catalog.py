"""Read what the catalogue job wrote: totals, the quarantined images, and a test of the offsets."""

from __future__ import annotations

import hashlib
import heapq
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from mr_jobs.lib.errors import JobError
from mr_jobs.lib.records import CatalogRow, order_free_digest
from mr_jobs.lib.sequencefile import Reader
from pipeline.stores import Store

_OFFSETS_TESTED = 8


def rows(store: Store) -> Iterator[CatalogRow]:
    """Yield the rows of the catalogue, in the order of its files."""
    for name in store.files("catalog"):
        with store.open(name) as file:
            for line in file:
                yield CatalogRow.from_line(line.decode())


def summarise(store: Store, run_dir: Path) -> dict[str, Any]:
    """Total the catalogue in constant memory, and write the quarantined images' rows.

    Returns
    -------
    rows, bytes, counts by split, by format and by reason, and the data's fingerprint
    (of all keys and contents, whatever their order).

    Raises
    ------
    JobError
        If an offset of the catalogue does not lead to its image.
    """
    totals: Counter[str] = Counter()
    tested: list[tuple[int, CatalogRow]] = []  # those with the smallest hashes
    part = run_dir / ".quarantine.tsv.part"
    run_dir.mkdir(parents=True, exist_ok=True)

    def seen(quarantine: TextIO) -> Iterator[str]:
        for row in rows(store):
            totals.update(["rows", f"split {row.split}", f"format {row.format or 'none'}"])
            totals["bytes"] += row.bytes
            if row.reason:
                totals[f"reason {row.reason}"] += 1
                quarantine.write(row.to_line() + "\n")
            if row.offset is not None and row.offset >= 0:
                heapq.heappush(tested, (-int(row.sha256[:15], 16), row))
                if len(tested) > _OFFSETS_TESTED:
                    heapq.heappop(tested)
            yield f"{row.key} {row.sha256}"

    with part.open("w", encoding="utf-8") as quarantine:
        digest = order_free_digest(seen(quarantine))
    part.rename(run_dir / "quarantine.tsv")
    for _, row in tested:
        _test_offset(store, row)
    summary: dict[str, Any] = {name: totals[name] for name in ("rows", "bytes")}
    for kind in ("split", "format", "reason"):
        prefix = f"{kind} "
        summary[f"by_{kind}"] = {
            key.removeprefix(prefix): n
            for key, n in sorted(totals.items())
            if key.startswith(prefix)
        }
    return {**summary, "data_fingerprint": digest}


def _test_offset(store: Store, row: CatalogRow) -> None:
    """Read one image by its place in the bundle."""
    with store.open(f"bundles/{row.bundle}") as file:
        record = Reader(file, store.uri(f"bundles/{row.bundle}")).read_at(row.span()[0])
    value = record.value if isinstance(record.value, bytes) else b""
    if hashlib.sha256(value).hexdigest() != row.sha256:
        raise JobError(
            f"catalog: byte {row.offset} of {row.bundle} is not where {row.key} is; the bundle was "
            "not written as the catalogue assumes"
        )

"""The mark of a cluster that is nowhere, and what is in an image store's catalogue."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

from mr_jobs.lib.records import CatalogRow
from pipeline.cluster_mark import MARK, Cluster

TABLE = b"imagenet_mine"  # of the image store `mine`


def write_mark(place: Path, **facts: object) -> Path:
    """Write the mark of a cluster that is nowhere."""
    known: dict[str, object] = {
        fact.name: 1 if fact.type == "int" else "none"
        for fact in fields(Cluster)
        if "None" not in str(fact.type)
    }
    place.mkdir()
    (place / MARK).write_text(json.dumps({**known, **facts, "dir": str(place)}))
    return place


def placeless(row: CatalogRow) -> CatalogRow:
    return row._replace(bundle="", offset=None, length=None)


def catalogued(store: Path) -> list[CatalogRow]:
    texts = [path.read_text("utf-8") for path in (store / "catalog").glob("*.tsv")]
    rows = (CatalogRow.from_line(line) for text in texts for line in text.splitlines())
    return sorted(rows, key=lambda row: row.key)

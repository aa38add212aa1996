"""An image store made by hand: bundles and their catalogue, without any job."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mr_jobs.lib.imagenet import ImageKey
from mr_jobs.lib.records import CatalogRow
from mr_jobs.lib.sequencefile import Writer


class MadeStore:
    """An image store of pictures, in bundles of 40 images each."""

    def __init__(self, root: Path, pictures: Mapping[str, bytes]) -> None:
        self.root = root
        self.rows: list[CatalogRow] = []
        (root / "catalog").mkdir(parents=True)
        (root / "bundles").mkdir()
        keys = list(pictures)
        for number in range(0, len(keys), 40):
            self._bundle(f"1-{number:05}.seq", {k: pictures[k] for k in keys[number : number + 40]})

    def _bundle(self, name: str, pictures: Mapping[str, bytes]) -> None:
        with (self.root / "bundles" / name).open("wb") as file, Writer(file) as writer:
            rows = [self._row(name, key, content, writer) for key, content in pictures.items()]
        lines = "".join(f"{row.to_line()}\n" for row in rows)
        (self.root / "catalog" / name.replace(".seq", "")).write_text(lines, "utf-8")
        self.rows += rows

    def _row(self, bundle: str, key: str, content: bytes, writer: Writer) -> CatalogRow:
        image = ImageKey.parse(key)
        offset = writer.append(key.encode(), content)
        known: dict[str, Any] = dict.fromkeys(CatalogRow._fields)
        known |= {"image_id": image.image_id, "wnid": image.wnid, "split": image.split}
        known |= {"key": key, "bundle": bundle, "offset": offset, "bytes": len(content)}
        known |= {"length": 16 + len(key.encode()) + len(content), "status": "kept"}
        known |= {"sha256": hashlib.sha256(content).hexdigest(), "width": len(content) % 1000}
        return CatalogRow(**known)

    def row(self, key: str) -> CatalogRow:
        return next(row for row in self.rows if row.key == key)

"""The shared odd files as one class among others, through the whole line."""

from __future__ import annotations

import csv
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

from mr_jobs.lib.records import CatalogRow
from pipeline.catalog import rows
from pipeline.stores import LocalStore
from tests.mr_jobs.lib.test_quirky import DECODED, N_FILES, OUTCOMES, REPAIRS


def test_every_odd_file_is_kept_or_quarantined_as_its_manifest_expects(
    cli: Any, folder_data: Any, shared_dir: Path, own_var: Path
) -> None:
    data = folder_data()
    quirky = shared_dir / "data" / "quirky"
    shutil.copytree(quirky / "images", data / "n09000000")
    with (quirky / "MANIFEST.tsv").open(encoding="utf-8", newline="") as lines:
        manifest = list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))

    inline, local = (
        cli("full", "--data", data, "--runner", runner, "--images", runner, "--keep", "--json")
        for runner in ("inline", "local")
    )

    assert (inline.code, local.code) == (0, 0), inline.err + local.err
    counts = inline.json()["counts"]
    found = _rows(own_var, "inline")
    for row in manifest:
        allowed = OUTCOMES[row["expected"]]
        image = found.get(row["file"])
        outcome = "not_an_image" if image is None else image.reason or "decoded"
        assert outcome in allowed, row["file"]
    quarantined = sum(counts["quarantined"].values())
    refused = sum(counts["refused_members"].values())
    assert counts["images"] == counts["kept"] + quarantined
    assert counts["images"] + refused == 36 + N_FILES
    assert counts["duplicates"] == 1
    assert found["exact_duplicate_b.JPEG"].status == "kept"
    assert any(OUTCOMES[row["expected"]] == DECODED for row in manifest)
    assert {name: row.repairs for name, row in found.items() if row.repairs} == REPAIRS
    kinds = Counter(kind for kinds in REPAIRS.values() for kind in kinds.split(","))
    assert counts["repaired"] == kinds
    assert _rows(own_var, "local") == found
    assert local.json()["counts"] == counts


def _rows(own_var: Path, images: str) -> dict[str, CatalogRow]:
    store = LocalStore(own_var / "images" / images)
    return {row.key.split("/", 2)[2]: row for row in rows(store)}

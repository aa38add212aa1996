"""The tables of a small image store, as dictionaries to change, and written as its files."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from mr_jobs.lib.records import NULL
from pipeline.images import Images
from pipeline.index.definitions import tables
from pipeline.stores import LocalStore, Store

Row = dict[str, Any]
Tables = dict[str, list[Row]]
WNIDS = ("n01440764", "n02102040", "n03000684")
HOSTILE_NAME = "'; DROP TABLE images; --\\\"\\t%_猫"
RUN_ID = "20261123T000000Z-abcdef"


def small_tables() -> Tables:
    """Make rows: 4 train and 2 val images of each of 3 synsets, 1 test image, 3 quarantined."""
    images: list[Row] = []
    for place, wnid in enumerate(WNIDS):
        for number in range(6):
            split = "train" if number < 4 else "val"
            images.append(_image(split, wnid, f"{wnid}_{number}.JPEG", 100 + 50 * number + place))
    images.append(_image("test", "unlabelled", "ILSVRC2012_test_00000001.JPEG", 640))
    images.append(_image("train", WNIDS[0], f"{HOSTILE_NAME}.JPEG", 77) | {"repairs": "cmyk,exif"})
    empty = {"width": None, "height": None, "channels": None, "format": None, "signature": None}
    for split, wnid, name, reason in (
        ("train", WNIDS[1], "empty.JPEG", "empty"),
        ("train", WNIDS[2], "page.JPEG", "undecodable"),
        ("quarantine", "unlabelled", "nobody.JPEG", "unlabelled"),
    ):
        images.append(
            _image(split, wnid, name, 1) | empty | {"status": "quarantined", "reason": reason}
        )
    for place, image in enumerate(images):
        image["offset"] = 100_000 * (place + 1)
    return {
        "images": images,
        "boxes": [
            _box("train", f"{WNIDS[0]}_0", 0, WNIDS[0], (0, 0, 99, 99)),
            _box("train", f"{WNIDS[0]}_0", 1, WNIDS[0], (10, 10, 40, 50)),
            _box("val", f"{WNIDS[1]}_4", 0, WNIDS[1], (5, 5, 95, 70)),
        ],
        "synsets": [
            {"wnid": wnid, "class_index": place, "ilsvrc_id": 9 - place, "words": f"word {place}"}
            for place, wnid in enumerate(WNIDS)
        ],
        "refused": [{"source": "a.tar", "member": "'._x\\n'", "reason": "hidden"}],
        "duplicates": [
            _duplicate(images[0], images[0], "first", 0, None),
            _duplicate(images[4], images[0], "near", 3, "leak"),
            _duplicate(images[6], images[0], "exact", 0, "label_conflict"),
        ],
        "predictions": [
            row
            for image in images
            if image["split"] == "val"
            for row in _predicted(image["wnid"], image)
        ],
    }


def write_tables(rows: Tables, store: Store) -> None:
    """Write the files of an image store."""
    for table in tables():
        if table.select:
            continue
        lines = [
            "\t".join(NULL if row[name] is None else str(row[name]) for name in table.file_columns)
            for row in rows[table.name]
        ]
        folder = table.directory + (f"/run_id={RUN_ID}" if table.path_columns else "")
        half = (len(lines) + 1) // 2
        for place, part in enumerate((lines[:half], lines[half:])):
            text = "".join(f"{line}\n" for line in part)
            store.write(f"{folder}/part-{place}.tsv", [text.encode()])
        store.write(f"{folder}/_manifest.json", [b"{}"])


def local_images(folder: Path, rows: Tables) -> Images:
    """Write an image store on this machine; its path is as hostile as its rows."""
    root = folder / "it's [a] *store?" / "run_id=x"
    images = Images("small", LocalStore(root), None, folder / "cache")
    write_tables(rows, images.store)
    return images


def _image(split: str, wnid: str, name: str, width: int) -> Row:
    key = f"{split}/{wnid}/{name}"
    n_bytes = width * 10
    return {
        "image_id": name.removesuffix(".JPEG"), "wnid": wnid, "split": split, "key": key,
        "bundle": "00000-00000.seq", "offset": 0, "length": n_bytes + len(key) + 20,
        "bytes": n_bytes, "sha256": hashlib.sha256(key.encode()).hexdigest(), "width": width,
        "height": width // 2 + 1, "channels": 3, "format": "jpeg", "exif_orientation": 1,
        "repairs": None, "signature": "ab" * 8, "status": "kept", "reason": None,
    }  # fmt: skip


def _box(split: str, image_id: str, box: int, wnid: str, corners: tuple[int, int, int, int]) -> Row:
    xmin, ymin, xmax, ymax = corners
    return {
        "image_id": image_id, "split": split, "wnid": wnid, "box": box, "xmin": xmin,
        "ymin": ymin, "xmax": xmax, "ymax": ymax, "image_width": 100, "image_height": 100,
        "truncated": 0, "difficult": None, "source": "xml",
    }  # fmt: skip


def _duplicate(image: Row, first: Row, kind: str, distance: int, problem: str | None) -> Row:
    return {
        "key": image["key"], "group_key": first["key"], "kind": kind, "distance": distance,
        "split": image["split"], "wnid": image["wnid"], "problem": problem,
    }  # fmt: skip


def _predicted(wnid: str, image: Row) -> list[Row]:
    best = list(WNIDS) if image["image_id"].endswith("4") else list(reversed(WNIDS))
    return [
        {
            "image_id": image["image_id"], "split": "val", "key": image["key"], "wnid": wnid,
            "rank": rank, "predicted": predicted, "score": 0.75 / rank,
        }
        for rank, predicted in enumerate(best, start=1)
    ]  # fmt: skip

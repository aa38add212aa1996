"""Every layout goes through ingest: its images are catalogued under the keys they should have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.catalog import rows
from pipeline.stores import LocalStore
from tests.pipeline.tar_factory import regular, tar

Jpeg = Callable[..., bytes]


def _put(root: Path, name: str, content: bytes) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _webdataset(root: Path, jpeg: Jpeg) -> None:
    for shard in range(2):
        samples = [
            member
            for i in range(3)
            for member in (
                regular(f"{i:04}.cls", str((i + shard) % 2).encode()),
                regular(f"{i:04}.jpg", jpeg(seed=10 * shard + i)),
            )
        ]
        _put(root, f"train/x-{shard:06}.tar", tar(*samples, regular("9.jpg", jpeg(seed=99))))


def _class_tars(root: Path, jpeg: Jpeg) -> None:
    for number, wnid in enumerate(("n01", "n02")):
        _put(root, f"{wnid}.tar", tar(regular(f"{wnid}_1.JPEG", jpeg(seed=number))))


def _det(root: Path, jpeg: Jpeg) -> None:
    _put(root, "Data/DET/train/ILSVRC2013_train/n01440764/n01440764_1.JPEG", jpeg(seed=1))
    _put(root, "Data/DET/train/ILSVRC2014_train_0000/ILSVRC2014_train_1.JPEG", jpeg(seed=2))
    _put(root, "Data/DET/val/ILSVRC2012_val_00000001.JPEG", jpeg(seed=3))


def _vid(root: Path, jpeg: Jpeg) -> None:
    for video in range(2):
        for frame in range(2):
            name = f"ILSVRC2015_VID_train_0000/v{video}/{frame:06}.JPEG"
            _put(root, f"Data/VID/train/{name}", jpeg(seed=10 * video + frame))


EXPECTED: dict[Callable[[Path, Jpeg], None], list[str]] = {
    _webdataset: [
        "quarantine/unlabelled/train__x-000000__9.jpg",
        "quarantine/unlabelled/train__x-000001__9.jpg",
        "train/class_00000/train__x-000000__0000.jpg",
        "train/class_00000/train__x-000000__0002.jpg",
        "train/class_00000/train__x-000001__0001.jpg",
        "train/class_00001/train__x-000000__0001.jpg",
        "train/class_00001/train__x-000001__0000.jpg",
        "train/class_00001/train__x-000001__0002.jpg",
    ],
    _class_tars: ["train/n01/n01_1.JPEG", "train/n02/n02_1.JPEG"],
    _det: [
        "train/n01440764/n01440764_1.JPEG",
        "train/unlabelled/ILSVRC2014_train_1.JPEG",
        "val/unlabelled/ILSVRC2012_val_00000001.JPEG",
    ],
    _vid: [f"train/unlabelled/v{v}__{f:06}.JPEG" for v in range(2) for f in range(2)],
}


@pytest.mark.parametrize("make", EXPECTED, ids=lambda make: make.__name__.strip("_"))
def test_the_images_of_a_layout_get_their_keys(
    cli: Any, own_var: Path, tmp_path: Path, jpeg: Jpeg, make: Callable[[Path, Jpeg], None]
) -> None:
    make(tmp_path / "data", jpeg)
    name = f"layout-{make.__name__.strip('_')}"

    answer = cli("ingest", tmp_path / "data", "--runner", "inline", "--images", name)

    assert answer.code == 0, answer.err
    store = own_var / "images" / name
    assert sorted(row.key for row in rows(LocalStore(store))) == EXPECTED[make]

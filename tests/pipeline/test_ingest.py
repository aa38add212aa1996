from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Any

from mr_jobs.lib.rawtar import RawRange, read_plan_line
from pipeline.ingest import BundlePlan, ingest
from pipeline.progress import Progress
from pipeline.rawdata import find_raw_data
from pipeline.stores import LocalStore


def _range(offset: int, length: int, split: str = "train", uri: str = "a.tar") -> RawRange:
    return RawRange(uri, offset, length, split, "n01", 1)


def test_neighbours_in_a_tar_become_one_range() -> None:
    plan = BundlePlan(bundle_bytes=10_000)
    for offset in (0, 1024, 3072):
        plan.add(_range(offset, 1024))

    assert plan.bundles == [[RawRange("a.tar", 0, 4096, "train", "n01", 3)]]


def test_a_bundle_is_closed_before_it_grows_over_its_size() -> None:
    plan = BundlePlan(bundle_bytes=4096)
    for number in range(9):
        plan.add(_range(number * 1536, 1536))

    assert [sum(r.n_images for r in ranges) for ranges in plan.bundles] == [2, 2, 2, 2, 1]
    assert all(sum(r.length for r in ranges) <= 4096 for ranges in plan.bundles)


def test_an_image_larger_than_a_bundle_gets_one_of_its_own() -> None:
    plan = BundlePlan(bundle_bytes=4096)
    plan.add(_range(0, 1024))
    plan.add(_range(1024, 9216))
    plan.add(_range(10240, 1024))

    assert [len(ranges) for ranges in plan.bundles] == [1, 1, 1]


def test_a_bundle_holds_one_split() -> None:
    plan = BundlePlan(bundle_bytes=1 << 20)
    plan.add(_range(0, 1024))
    plan.add(_range(0, 1024, split="val", uri="b.tar"))

    assert [ranges[0].split for ranges in plan.bundles] == ["train", "val"]


def test_the_plan_files_are_of_one_size_so_that_hadoop_keeps_their_order(
    folder_data: Any, tmp_path: Path
) -> None:
    store = LocalStore(tmp_path / "work")
    data = find_raw_data(folder_data(n_classes=4, n_images=30))

    report = ingest(data, store, 60_000, Progress("ingest"), allow_damaged=False)

    plans = [tmp_path / "work" / name for name in store.files("plan")]
    assert len(plans) == report.bundles > 1
    assert len({path.stat().st_size for path in plans}) == 1
    ranges = [r for path in plans for r in read_plan_line(path.read_text())]
    assert sum(r.n_images for r in ranges) == report.images == 120


def test_files_of_one_name_in_two_folders_of_a_class_are_both_kept(
    folder_data: Any, tmp_path: Path
) -> None:
    root = folder_data(n_classes=2, n_images=2)
    (root / "n00000000" / "more").mkdir()
    first = root / "n00000000" / "n00000000_0.JPEG"
    (root / "n00000000" / "more" / first.name).write_bytes(b"another")
    store = LocalStore(tmp_path / "work")

    ingest(find_raw_data(root), store, 1 << 20, Progress("ingest"), allow_damaged=False)

    with tarfile.open(tmp_path / "work" / "raw" / "train" / "n00000000.tar") as tar:
        assert tar.getnames() == [
            "n00000000_0.JPEG",
            "n00000000_1.JPEG",
            "more__n00000000_0.JPEG",
        ]

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path
from typing import Any

import pytest

from mr_jobs.lib.rawtar import RawRange
from mr_jobs.lib.records import CatalogRow
from mr_jobs.lib.sequencefile import Reader
from pipeline.bundle_plan import BundlePlan

LIKE = RawRange("a.tar", 0, 0, "train", "n01", 1)


def test_neighbours_in_a_tar_become_one_range() -> None:
    plan = BundlePlan(10_000, 3072)
    for offset in (0, 1024, 2048):
        plan.add(LIKE, offset, 1024)

    assert plan.finish()[0].ranges == [RawRange("a.tar", 0, 3072, "train", "n01", 3)]


def test_an_image_that_is_left_out_ends_the_range() -> None:
    plan = BundlePlan(10_000, 3072)
    plan.add(LIKE, 0, 1024)
    plan.skip()
    plan.add(LIKE, 2048, 1024)

    assert [(r.offset, r.length) for r in plan.finish()[0].ranges] == [(0, 1024), (2048, 1024)]


def test_bundles_are_of_like_sizes_and_below_the_limit() -> None:
    plan = BundlePlan(10 * 1536, 21 * 1536)
    for number in range(21):
        plan.add(LIKE, number * 1536, 1536)

    assert [sum(r.n_images for r in bundle.ranges) for bundle in plan.finish()] == [7, 7, 7]


def test_an_image_larger_than_a_bundle_gets_one_of_its_own() -> None:
    plan = BundlePlan(4096, 11264)
    plan.add(LIKE, 0, 1024)
    plan.add(LIKE, 1024, 9216)
    plan.add(LIKE, 10240, 1024)

    assert [len(bundle.ranges) for bundle in plan.finish()] == [1, 1, 1]


@pytest.fixture
def store_dir(cli: Any, own_var: Path) -> Path:
    """Return where the image store `s` is."""
    return own_var / "images" / "s"


def _ingest(cli: Any, data: Path, *options: str) -> dict[str, Any]:
    answer = cli("ingest", data, "--images", "s", "--runner", "inline", "--json", *options)
    assert answer.code == 0, answer.err
    result: dict[str, Any] = answer.json()
    return result


def _files(folder: Path) -> dict[str, tuple[bytes, int]]:
    files = [p for p in folder.iterdir() if p.name[0] not in "._"]
    return {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in files}


def _images(store_dir: Path) -> dict[str, bytes]:
    images = {}
    for path in sorted((store_dir / "bundles").glob("*.seq")):
        with path.open("rb") as file:
            for record in Reader(file, str(path)).records():
                assert isinstance(record.key, bytes)
                assert isinstance(record.value, bytes)
                images[record.key.decode()] = record.value
    return images


def _rows(store_dir: Path) -> list[CatalogRow]:
    files = sorted((store_dir / "catalog").glob("*.tsv"))
    return [CatalogRow.from_line(line) for f in files for line in f.read_text().splitlines()]


def _refused(store_dir: Path) -> list[tuple[str, ...]]:
    texts = [path.read_text() for path in (store_dir / "refused").iterdir()]
    return [tuple(line.split("\t")) for text in texts for line in text.splitlines()]


def test_a_second_ingest_of_the_same_data_does_nothing(
    cli: Any, folder_data: Any, store_dir: Path
) -> None:
    data = folder_data()
    _ingest(cli, data)
    before = {name: _files(store_dir / name) for name in ("bundles", "catalog")}

    again = _ingest(cli, data)

    assert {name: _files(store_dir / name) for name in before} == before
    assert (again["images"], again["added"]) == (36, 0)


def test_new_images_are_appended_and_no_old_bundle_is_touched(
    cli: Any, folder_data: Any, store_dir: Path
) -> None:
    data = folder_data(n_classes=2, n_images=5)
    _ingest(cli, data)
    before = _files(store_dir / "bundles")
    (data / "n00000000" / "new.JPEG").write_bytes(
        (data / "n00000000/n00000000_1.JPEG").read_bytes()
    )

    _ingest(cli, data)

    after = _files(store_dir / "bundles")
    assert {name: after[name] for name in before} == before
    assert (
        set(_images(store_dir)) - {f"train/{p.parent.name}/{p.name}" for p in data.rglob("*.JPEG")}
        == set()
    )
    assert len(_rows(store_dir)) == 11
    assert {row.key for row in _rows(store_dir) if row.bundle not in before} == {
        "train/n00000000/new.JPEG"
    }


def test_another_data_set_is_not_mixed_in(cli: Any, folder_data: Any, store_dir: Path) -> None:
    first = folder_data(n_classes=2, n_images=3)
    _ingest(cli, first)
    more = folder_data(n_classes=4, n_images=3, name="more")

    answer = cli("ingest", more, "--images", "s", "--runner", "inline")

    assert answer.code == 2
    assert f"this image store is of {first}, not of {more}" in answer.err


def test_a_data_set_that_was_moved_and_has_grown_goes_on(
    cli: Any, folder_data: Any, store_dir: Path
) -> None:
    first = folder_data(n_classes=2, n_images=3)
    _ingest(cli, first)
    grown = folder_data(n_classes=4, n_images=3, name="moved")
    shutil.rmtree(first)

    result = _ingest(cli, grown)

    assert (result["images"], result["added"]) == (12, 6)
    assert len({row.key for row in _rows(store_dir)}) == 12


def test_an_image_that_changed_under_its_name_is_refused_and_listed(
    cli: Any, folder_data: Any, store_dir: Path
) -> None:
    data = folder_data(n_classes=2, n_images=3)
    _ingest(cli, data)
    old = _images(store_dir)
    changed = data / "n00000001" / "n00000001_0.JPEG"
    changed.write_bytes(b"other bytes")

    _ingest(cli, data)

    assert _images(store_dir) == old
    assert _refused(store_dir) == [("train/n00000001.tar", "n00000001_0.JPEG", "changed")]


def test_a_store_whose_last_new_images_were_all_refused_is_complete(
    cli: Any, folder_data: Any
) -> None:
    data = folder_data(n_classes=2, n_images=3)
    _ingest(cli, data)
    (data / "n00000001" / "n00000001_0.JPEG").write_bytes(b"other bytes")

    _ingest(cli, data)

    (store,) = cli("images", "--json").json()["image_stores"]
    assert store["batches"] == 2
    assert store["complete"]


def test_two_members_of_one_name_are_one_image_and_one_refusal(
    cli: Any, folder_data: Any, store_dir: Path, tmp_path: Path, make_tar: Any
) -> None:
    inner = make_tar(
        "n01.tar", ("a.JPEG", b"1"), ("b.JPEG", b"2"), ("a.JPEG", b"3"), ("c.JPEG", b"4")
    )
    other = make_tar("n02.tar", ("d.JPEG", b"5"))
    data = tmp_path / "tars"
    data.mkdir()
    with tarfile.open(data / "ILSVRC2012_img_train.tar", "w") as tar:
        tar.add(inner, "n01.tar")
        tar.add(other, "n02.tar")

    _ingest(cli, data)

    assert _images(store_dir) == {
        "train/n01/a.JPEG": b"1",
        "train/n01/b.JPEG": b"2",
        "train/n01/c.JPEG": b"4",
        "train/n02/d.JPEG": b"5",
    }
    assert _refused(store_dir) == [("train/n01.tar", "a.JPEG", "same_name")]


def test_files_of_one_name_in_two_folders_of_a_class_are_both_kept(
    cli: Any, folder_data: Any, store_dir: Path
) -> None:
    data = folder_data(n_classes=2, n_images=2)
    (data / "n00000000" / "more").mkdir()
    (data / "n00000000" / "more" / "n00000000_0.JPEG").write_bytes(b"another")

    _ingest(cli, data)

    assert _images(store_dir)["train/n00000000/more__n00000000_0.JPEG"] == b"another"


def test_raw_images_are_not_copied_on_this_machine(
    cli: Any, folder_data: Any, store_dir: Path
) -> None:
    _ingest(cli, folder_data())

    assert not list((store_dir / "raw").rglob("*.tar"))
    assert not list((store_dir / "plan").rglob("*.json"))


def test_many_bundles_are_made_of_data_larger_than_one(
    cli: Any, folder_data: Any, store_dir: Path, tmp_path: Path
) -> None:
    config = tmp_path / "one.toml"
    config.write_text("[data]\nbundle_mb = 1\n")
    data = folder_data(n_classes=2, n_images=3)
    for number in range(6):
        (data / "n00000000" / f"large{number}.JPEG").write_bytes(bytes(400_000 + number))

    _ingest(cli, data, "--config", str(config))

    sizes = [path.stat().st_size for path in (store_dir / "bundles").glob("*.seq")]
    assert len(sizes) > 2
    assert max(sizes) <= 1 << 20
    assert len(_images(store_dir)) == 12

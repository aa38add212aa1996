from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mr_jobs.lib.errors import DataError
from mr_jobs.lib.rawtar import Plan, RawRange
from mr_jobs.mr_bundle_images import MRBundleImages


@pytest.fixture
def plan(tmp_path: Path) -> Callable[..., Path]:
    """Write the plan of one bundle."""

    def make(
        *ranges: RawRange, name: str = "00000.json", labels: dict[str, str] | None = None
    ) -> Path:
        path = tmp_path / "plan" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(Plan(list(ranges), labels or {}).to_line().ljust(600) + "\n")
        return path

    return make


def _whole(tar: Path, split: str, wnid: str, n_images: int) -> RawRange:
    return RawRange(str(tar), 0, tar.stat().st_size, split, wnid, n_images)


def test_images_are_bundled_byte_for_byte_under_their_keys(
    run_job: Any, plan: Any, make_tar: Any
) -> None:
    tar = make_tar("n01.tar", ("n01_1.JPEG", b"one"), ("n01_22.JPEG", b"\x00two\n\xff"))

    result = run_job(MRBundleImages, plan(_whole(tar, "train", "n01", 2)))

    assert result.records == [
        ("train/n01/n01_1.JPEG", b"one"),
        ("train/n01/n01_22.JPEG", b"\x00two\n\xff"),
    ]
    assert result.counters == {"bundled": 2}


def test_one_plan_file_makes_one_bundle(run_job: Any, plan: Any, make_tar: Any) -> None:
    first = make_tar("n01.tar", *((f"n01_{i}.JPEG", bytes(3000)) for i in range(9)))
    second = make_tar("n02.tar", ("n02_1.JPEG", b"x"))
    paths = [
        plan(_whole(first, "train", "n01", 9), _whole(second, "train", "n02", 1), name="a.json"),
        plan(_whole(second, "val", "n02", 1), name="b.json"),
    ]

    result = run_job(MRBundleImages, *paths)

    assert len(result.files) == 2
    assert len(result.records) == 11


def test_only_the_range_of_the_plan_is_read(run_job: Any, plan: Any, make_tar: Any) -> None:
    tar = make_tar("n01.tar", ("a.JPEG", b"a" * 600), ("b.JPEG", b"b"), ("c.JPEG", b"c"))

    result = run_job(MRBundleImages, plan(RawRange(str(tar), 1536, 1024, "train", "n01", 1)))

    assert result.records == [("train/n01/b.JPEG", b"b")]


def test_images_of_flat_tars_get_their_labels_from_the_plan(
    run_job: Any, plan: Any, make_tar: Any
) -> None:
    tar = make_tar("val.tar", ("v1.JPEG", b"1"), ("v2.JPEG", b"2"))

    result = run_job(MRBundleImages, plan(_whole(tar, "val", "", 2), labels={"v1.JPEG": "n01"}))

    assert [key for key, _ in result.records] == [
        "val/n01/v1.JPEG",
        "quarantine/unlabelled/v2.JPEG",
    ]
    assert result.counters == {"bundled": 2, "unlabelled": 1}


def test_images_of_an_unknown_synset_are_kept_apart(
    run_job: Any, plan: Any, make_tar: Any, tmp_path: Path
) -> None:
    tar = make_tar("n99.tar", ("n99_1.JPEG", b"1"))
    synsets = tmp_path / "synsets.txt"
    synsets.write_text("n01\nn02\n")

    result = run_job(
        MRBundleImages, plan(_whole(tar, "train", "n99", 1)), args=("--synsets", str(synsets))
    )

    assert [key for key, _ in result.records] == ["quarantine/unknown_synset/n99_1.JPEG"]


def test_test_images_need_no_label(run_job: Any, plan: Any, make_tar: Any) -> None:
    tar = make_tar("test.tar", ("t1.JPEG", b"1"))

    result = run_job(MRBundleImages, plan(_whole(tar, "test", "", 1)))

    assert [key for key, _ in result.records] == ["test/unlabelled/t1.JPEG"]


def test_a_tar_that_changed_since_the_plan_fails_the_job(
    run_job: Any, plan: Any, make_tar: Any
) -> None:
    tar = make_tar("n01.tar", ("n01_1.JPEG", b"one"))

    with pytest.raises(DataError, match="changed since it was ingested"):
        run_job(MRBundleImages, plan(_whole(tar, "train", "n01", 2)))


def test_names_with_spaces_quotes_and_other_scripts_survive(
    run_job: Any, plan: Any, make_tar: Any
) -> None:
    names = ["name with space,comma'quote.JPEG", "namé_猫.JPEG", "tab\there.JPEG"]
    tar = make_tar("n01.tar", *((name, b"x") for name in names))

    result = run_job(MRBundleImages, plan(_whole(tar, "train", "n01", 3)))

    assert [key.rsplit("/")[-1] for key, _ in result.records] == [*names[:2], "tab%09here.JPEG"]


def test_of_a_labelled_tar_only_members_with_a_label_are_images(
    run_job: Any, plan: Any, make_tar: Any
) -> None:
    tar = make_tar("shard.tar", ("1.jpg", b"1"), ("1.cls", b"7"), ("2.jpg", b"2"), ("2.txt", b"x"))
    raw = _whole(tar, "train", "", 2)._replace(kind="labelled", name="shard__")

    result = run_job(
        MRBundleImages, plan(raw, labels={"shard__1.jpg": "n07", "shard__2.jpg": "unlabelled"})
    )

    assert result.records == [
        ("train/n07/shard__1.jpg", b"1"),
        ("quarantine/unlabelled/shard__2.jpg", b"2"),
    ]


def test_plain_files_are_bundled_under_their_names(run_job: Any, plan: Any, tmp_path: Path) -> None:
    (tmp_path / "a.JPEG").write_bytes(b"image")
    raw = RawRange(str(tmp_path / "a.JPEG"), 0, 5, "train", "n01", 1, "file", "more__a.JPEG")

    result = run_job(MRBundleImages, plan(raw))

    assert result.records == [("train/n01/more__a.JPEG", b"image")]


def test_a_plain_file_that_shrank_since_the_plan_fails_the_job(
    run_job: Any, plan: Any, tmp_path: Path
) -> None:
    (tmp_path / "a.JPEG").write_bytes(b"imag")
    raw = RawRange(str(tmp_path / "a.JPEG"), 0, 5, "train", "n01", 1, "file", "a.JPEG")

    with pytest.raises(DataError, match="changed"):
        run_job(MRBundleImages, plan(raw))

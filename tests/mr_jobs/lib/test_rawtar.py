from __future__ import annotations

import io
import tarfile
from collections.abc import Sequence

import pytest

from mr_jobs.lib.rawtar import (
    MAX_IMAGE_BYTES,
    Member,
    Plan,
    RawRange,
    key_of,
    refusal,
    safe_name,
    walk_members,
)


def _tar(names: Sequence[str], tar_format: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tar_format) as tar:
        for number, name in enumerate(names):
            info = tarfile.TarInfo(name)
            info.size = 300 * number
            tar.addfile(info, io.BytesIO(bytes(info.size)))
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("n01_1.JPEG", None),
        ("folder/n01_1.JPEG", None),
        ("../n01_1.JPEG", "unsafe_name"),
        ("a/../../b.JPEG", "unsafe_name"),
        ("/etc/passwd", "unsafe_name"),
        ("folder/", "unsafe_name"),
        (".DS_Store", "side_file"),
        ("folder/._n01_1.JPEG", "side_file"),
    ],
)
def test_a_name_is_taken_or_refused(name: str, reason: str | None) -> None:
    assert refusal(name, 10) == reason


def test_an_image_larger_than_a_task_can_hold_is_refused_before_it_is_read() -> None:
    assert refusal("a.JPEG", MAX_IMAGE_BYTES) is None
    assert refusal("a.JPEG", MAX_IMAGE_BYTES + 1) == "too_large"


def test_a_plan_survives_its_line_with_padding() -> None:
    plan = Plan([RawRange("/data/namé 猫.tar", 512, 1024, "val", "", 3)], {"v\t1.JPEG": "n01"})

    line = plan.to_line().ljust(300)

    assert line.isascii()
    assert Plan.from_line(line) == plan


def test_only_the_last_part_of_a_name_gets_into_the_key() -> None:
    raw = RawRange("a.tar", 0, 0, "train", "n01", 1)

    assert str(key_of(raw, "deep/folder/x.JPEG", {}, None)) == "train/n01/x.JPEG"


def test_a_tars_prefix_goes_in_front_of_its_members_names() -> None:
    raw = RawRange("a.tar", 0, 0, "train", "n01", 1, "tar", "shard-1__")

    assert str(key_of(raw, "x.JPEG", {}, None)) == "train/n01/shard-1__x.JPEG"


def test_images_of_data_without_labels_are_kept() -> None:
    raw = RawRange("a", 0, 0, "train", "unlabelled", 1)

    assert str(key_of(raw, "x.JPEG", {}, frozenset({"n01"}))) == "train/unlabelled/x.JPEG"


@pytest.mark.parametrize("name", ["plain.JPEG", "猫 é.JPEG", "no-break\u00a0space"])
def test_a_harmless_name_stays_as_it_is(name: str) -> None:
    assert safe_name(name) == name


@pytest.mark.parametrize(
    "tar_format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]
)
def test_members_are_found_as_tarfile_finds_them(tar_format: int) -> None:
    names = ["a.JPEG", "folder/b.JPEG", f"{'deep/' * 30}c.JPEG", "é猫.JPEG"]
    content = _tar(names, tar_format)

    found = list(walk_members(io.BytesIO(content), 0, len(content)))

    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        expected = [(m.name, m.offset, m.offset_data, m.size) for m in tar]
    assert [(m.name, m.offset, m.data_offset, m.size) for m in found] == expected


def test_what_is_no_plain_file_is_refused_and_passed_over() -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE):
            info = tarfile.TarInfo("x")
            info.type, info.linkname = kind, "a.JPEG"
            tar.addfile(info)
        tar.addfile(tarfile.TarInfo("a.JPEG"))
    size = len(out.getvalue())

    members = walk_members(out, 0, size)

    assert [m.refused for m in members] == ["link", "link", "not_a_file", "directory", None]


def test_a_range_between_two_members_ends_at_its_limit() -> None:
    content = _tar(["a", "b", "c"])

    found = list(walk_members(io.BytesIO(content), 512, 1536, cut=True))

    assert [m.name for m in found] == ["b"]


@pytest.mark.parametrize("size", [700, 1024, 1100, 1535, 2047])
def test_a_tar_that_is_cut_off_is_an_error_that_says_where(size: int) -> None:
    content = _tar(["a", "b", "c"])[:size]
    found: list[Member] = []

    with pytest.raises(tarfile.ReadError, match="cut off") as error:
        found.extend(walk_members(io.BytesIO(content), 0, size))

    assert error.value.at % 512 == 0  # type: ignore[attr-defined]


def test_a_changed_header_is_damage() -> None:
    content = bytearray(_tar(["a", "b"]))
    content[512] ^= 1

    with pytest.raises(tarfile.ReadError, match="damaged"):
        list(walk_members(io.BytesIO(bytes(content)), 0, len(content)))

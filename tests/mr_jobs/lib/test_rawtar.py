from __future__ import annotations

import tarfile

import pytest

from mr_jobs.lib.rawtar import MAX_IMAGE_BYTES, RawRange, key_of, plan_line, read_plan_line, refusal


def _member(name: str, size: int = 10) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size = size
    return info


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
    assert refusal(_member(name)) == reason


def test_a_member_larger_than_a_task_can_hold_is_refused_before_it_is_read() -> None:
    assert refusal(_member("a.JPEG", MAX_IMAGE_BYTES)) is None
    assert refusal(_member("a.JPEG", MAX_IMAGE_BYTES + 1)) == "too_large"


def test_a_plan_survives_its_line_with_padding() -> None:
    ranges = [RawRange("/data/namé 猫.tar", 512, 1024, "val", "", 3)]

    line = plan_line(ranges, 300)

    assert len(line) == 300
    assert line.isascii()
    assert read_plan_line(line) == ranges


def test_only_the_last_part_of_a_name_gets_into_the_key() -> None:
    raw = RawRange("a.tar", 0, 0, "train", "n01", 1)

    assert str(key_of(raw, "deep/folder/x.JPEG", {}, None)) == "train/n01/x.JPEG"

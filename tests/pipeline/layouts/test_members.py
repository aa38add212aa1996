from __future__ import annotations

from pathlib import Path

import pytest

from mr_jobs.lib.errors import DataError
from pipeline.layouts import checked_members


@pytest.mark.parametrize("cut", [1200, 1300, 2048, 2100])
def test_a_tar_that_is_cut_off_is_named_with_the_byte(
    tmp_path: Path, make_tar: object, cut: int
) -> None:
    path: Path = make_tar("n.tar", ("a.JPEG", b"a" * 600), ("b.JPEG", b"b"))  # type: ignore[operator]
    path.write_bytes(path.read_bytes()[:cut])

    with pytest.raises(DataError, match=r"n\.tar: is .*cut off.* at byte \d+; fetch the file"):
        list(checked_members(path, 0, cut, [], allow_damaged=False))


def test_on_request_the_images_before_the_damage_are_used(make_tar: object) -> None:
    path: Path = make_tar("n.tar", ("a.JPEG", b"a" * 600), ("b.JPEG", b"b" * 600))  # type: ignore[operator]
    path.write_bytes(path.read_bytes()[:2100])
    warnings: list[str] = []

    members = list(checked_members(path, 0, 2100, warnings, allow_damaged=True))

    assert [member.name for member in members] == ["a.JPEG"]
    assert "cut off" in warnings[0]


def test_garbage_between_two_members_is_damage_not_the_end(make_tar: object) -> None:
    path: Path = make_tar("n.tar", ("a.JPEG", b"a"), ("b.JPEG", b"b"))  # type: ignore[operator]
    content = bytearray(path.read_bytes())
    content[1024:1536] = b"\xa5" * 512
    path.write_bytes(content)

    with pytest.raises(DataError, match="no tar header stands at byte 1024"):
        list(checked_members(path, 0, len(content), [], allow_damaged=False))

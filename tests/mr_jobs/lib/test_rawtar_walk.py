"""Walking a tar: the same members as tarfile, from any of them on, and no hostile one gets far."""

from __future__ import annotations

import io
import subprocess
import tarfile
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mr_jobs.lib.rawtar import Member, walk_members
from tests.pipeline import tar_factory as t

FORMATS: list[t.Form] = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0/"), min_size=1, max_size=12)
PATHS = st.lists(NAMES, min_size=1, max_size=30).map("/".join)
KINDS = [tarfile.REGTYPE] * 3 + [
    tarfile.DIRTYPE,
    tarfile.SYMTYPE,
    tarfile.LNKTYPE,
    tarfile.FIFOTYPE,
]


@st.composite
def members(draw: st.DrawFn) -> bytes:
    """Draw a member as bytes: a file, directory, link or pipe, its headers in any form."""
    info = tarfile.TarInfo(draw(PATHS))
    info.type = draw(st.sampled_from(KINDS))
    content = draw(st.binary(max_size=1500)) if info.type == tarfile.REGTYPE else b""
    info.size = len(content)
    info.linkname = draw(PATHS) if info.type in (tarfile.SYMTYPE, tarfile.LNKTYPE) else ""
    info.mtime = draw(st.integers(0, 2**34))
    info.uid = draw(st.sampled_from([0, 1000, 2**21 - 1, 2**31]))
    form = draw(st.sampled_from(FORMATS))
    try:
        header = info.tobuf(form)
    except ValueError:  # too long, or too large, for a ustar header
        header = info.tobuf(tarfile.PAX_FORMAT)
    return header + content + bytes(-len(content) % 512)


TARS = st.lists(members(), max_size=8).map(lambda packed: b"".join(packed) + bytes(1024))


def walk(data: bytes, offset: int = 0) -> list[Member]:
    return list(walk_members(io.BytesIO(data), offset, len(data)))


def infos_of(data: bytes) -> list[tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return tar.getmembers()


@given(TARS)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_members_are_those_that_tarfile_finds(data: bytes) -> None:
    infos = infos_of(data)

    found = walk(data)

    assert [(m.name, m.offset, m.data_offset) for m in found] == [
        (info.name, info.offset, info.offset_data) for info in infos
    ]
    for member, info in zip(found, infos, strict=True):
        if member.refused is None:
            assert info.isfile()
            assert member.size == info.size
        else:
            expected = {"directory": info.isdir(), "link": info.issym() or info.islnk()}
            assert expected.get(member.refused, True)


@given(TARS)
@settings(max_examples=100, deadline=None, derandomize=True)
def test_a_walk_can_begin_at_any_member(data: bytes) -> None:
    found = walk(data)

    for number, member in enumerate(found):
        assert walk(data, member.offset) == found[number:]


@given(TARS, st.data())
@settings(max_examples=200, deadline=None, derandomize=True)
def test_a_tar_cut_anywhere_gives_the_whole_members_before_the_cut(
    data: bytes, draws: st.DataObject
) -> None:
    whole = walk(data)
    size = draws.draw(st.integers(0, len(data)))
    found: list[Member] = []
    before = [member for member in whole if member.end <= size]
    end = before[-1].end if before else 0

    if size >= end + 512 and len(before) == len(whole):
        assert walk(data[:size]) == whole  # of the end marker one block is enough
        return
    with pytest.raises(tarfile.ReadError) as caught:
        found.extend(walk_members(io.BytesIO(data[:size]), 0, size))

    assert found == before
    assert caught.value.at == end  # type: ignore[attr-defined]


@pytest.mark.parametrize("form", ["gnu", "posix", "oldgnu"])
def test_sparse_files_of_gnu_tar_are_refused_and_what_is_behind_them_found(
    tmp_path: Path, form: str
) -> None:
    with (tmp_path / "a.JPEG").open("wb") as file:
        for place in range(40):
            file.seek(place << 16)
            file.write(b"x")
        file.truncate(1 << 24)
    (tmp_path / "b.JPEG").write_bytes(b"after")
    command = ["tar", "--sparse", f"--format={form}", "-cf", "s.tar", "a.JPEG", "b.JPEG"]
    subprocess.run(command, cwd=tmp_path, check=True)
    data = (tmp_path / "s.tar").read_bytes()

    found = walk(data)

    assert [(m.name, m.refused) for m in found] == [("a.JPEG", "sparse"), ("b.JPEG", None)]
    assert data[found[1].data_offset :].startswith(b"after")


def test_a_pax_header_for_all_members_hides_none() -> None:
    data = t.tar(t.pax_global({"comment": "x" * 600}), t.regular("a.JPEG"), t.regular("b.JPEG"))

    assert [member.name for member in walk(data)] == ["a.JPEG", "b.JPEG"]


class CountingFile(io.BytesIO):
    """A file that says how much was asked of it at once."""

    most = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self.most = max(self.most, size or 0)
        return super().read(size)


HEADERS: dict[str, bytes] = {
    "PAX headers for PAX headers": t.pax({"comment": "x"}).packed[:1024] * 3000,
    "long names for long names": t.gnu_long_name().packed[:1024] * 3000,
    "a PAX header of digits": t.of_claimed_size("x", 1 << 20, b"1" * (1 << 20), b"x").packed,
    "a long name of a megabyte": t.of_claimed_size("x", 1 << 20, b"n" * (1 << 20), b"L").packed,
    "a length no machine has": t.of_claimed_size("x", 40, b"9" * 30 + b" path=a\n", b"x").packed,
    "a sparse map that is cut": t.of_claimed_size("x", 1 << 40, b"", b"S").packed[:482]
    + b"\1" * 30,
}


@pytest.mark.parametrize("headers", HEADERS.values(), ids=HEADERS)
def test_headers_made_to_hurt_are_damage_and_cost_little(headers: bytes) -> None:
    data = headers + t.tar(t.regular("a.JPEG"))
    file: Any = CountingFile(data)
    tracemalloc.start()
    try:
        with pytest.raises(tarfile.ReadError, match="no tar"):
            list(walk_members(file, 0, len(data)))
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()
    assert file.most <= 1 << 15

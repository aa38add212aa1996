"""Damaged SequenceFiles: the error names file and byte, and only the damaged region is lost."""

from __future__ import annotations

import random
import tracemalloc
import zlib
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from mr_jobs.lib.errors import BundleError
from mr_jobs.lib.sequencefile import Reader, Writer, open_reader

SYNC = bytes(range(100, 116))
MARKER = b"\xff" * 4 + SYNC
COMPRESSIONS = ["none", "record", "block"]
Pairs = list[tuple[Any, Any]]


def make_data(pairs: Pairs, **options: Any) -> bytes:
    file = BytesIO()
    with Writer(file, sync=SYNC, **{"key_class": "Text", **options}) as writer:
        for key, value in pairs:
            writer.append(key, value)
    return file.getvalue()


def make_bundle(compression: str = "none", **options: Any) -> tuple[Pairs, bytes]:
    """Make a file of about 0.5 MB (block: 4 MB), so that it has several markers."""
    rng = random.Random(3)
    size = 40_000 if compression == "block" else 5_000
    pairs = [(f"train/n/{i}.JPEG", rng.randbytes(size + i)) for i in range(100)]
    return pairs, make_data(pairs, compression=compression, **options)


def read(data: bytes, name: str = "a.seq", **options: Any) -> tuple[Pairs, list[BundleError]]:
    errors: list[BundleError] = []
    reader = Reader(BytesIO(data), name, **options)
    return [(r.key, r.value) for r in reader.records(on_damage=errors.append)], errors


def flip(data: bytes, offset: int, mask: int = 1) -> bytes:
    return data[:offset] + bytes([data[offset] ^ mask]) + data[offset + 1 :]


def offsets_of(data: bytes) -> list[int]:
    return [record.offset for record in Reader(BytesIO(data)).records()]


@pytest.mark.parametrize("compression", ["none", "record"])
@pytest.mark.parametrize("field_byte", range(8))
@pytest.mark.parametrize("mask", [1, 0x80])
def test_flipped_length_costs_the_records_up_to_the_next_marker(
    compression: str, field_byte: int, mask: int
) -> None:
    pairs, data = make_bundle(compression)
    offset = offsets_of(data)[30]
    after = data[: data.index(MARKER, offset)].count(b".JPEG")
    damaged = flip(data, offset + field_byte, mask)

    with pytest.raises(BundleError, match=rf"^a\.seq: .* at byte {offset}$"):
        list(Reader(BytesIO(damaged), "a.seq").records())
    found, errors = read(damaged)

    assert found == pairs[:30] + pairs[after:]
    assert [error.offset for error in errors] == [offset]


@pytest.mark.parametrize("position", range(4, 20))
def test_flipped_marker_costs_the_records_up_to_the_next(position: int) -> None:
    pairs, data = make_bundle()
    first = data.index(MARKER)
    second = data.index(MARKER, first + 1)
    before, after = data[:first].count(b".JPEG"), data[:second].count(b".JPEG")

    found, errors = read(flip(data, first + position))

    assert found == pairs[:before] + pairs[after:]
    assert [error.offset for error in errors] == [first]
    assert "sync marker" in errors[0].what


def test_damage_is_reported_by_one_split_only() -> None:
    pairs, data = make_bundle()
    damaged = flip(data, offsets_of(data)[60] + 2)
    errors: list[BundleError] = []
    reader = Reader(BytesIO(damaged), "a.seq")

    found = [
        (record.key, record.value)
        for start in range(0, len(data), 50_000)
        for record in reader.records(start, start + 50_000, on_damage=errors.append)
    ]

    assert found == read(damaged)[0]
    assert len(found) < len(pairs)
    assert len(errors) == 1


def test_damaged_block_costs_that_block_alone() -> None:
    pairs, data = make_bundle("block")
    offsets = offsets_of(data)
    block = offsets[50]
    lost = offsets.count(block)
    first = offsets.index(block)

    found, errors = read(flip(data, block + 5_000))

    assert found == pairs[:first] + pairs[first + lost :]
    assert [error.offset for error in errors] == [block]


@pytest.mark.parametrize("codec", ["default", "gzip", "bzip2"])
def test_damaged_compressed_value_is_named(codec: str) -> None:
    pairs, data = make_bundle("record", codec=codec)
    offset = offsets_of(data)[2]
    found, errors = read(flip(data, offset + 200))
    assert [error.offset for error in errors] == [offset]
    assert "compressed data" in errors[0].what
    assert found[:2] == pairs[:2]


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_file_cut_in_a_record_gives_the_records_before_and_an_error(compression: str) -> None:
    pairs, data = make_bundle(compression)
    offset = offsets_of(data)[70]
    whole = offsets_of(data).index(offset)
    for size in (offset + 1, offset + 7, offset + 21, offset + 300):
        found, errors = read(data[:size])
        assert found == pairs[:whole]
        assert [error.offset for error in errors] == [offset]


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_trailing_zeros_are_reported(compression: str) -> None:
    pairs, data = make_bundle(compression)
    found, errors = read(data + bytes(1000))
    assert found == pairs
    assert [error.offset for error in errors] == [len(data)]


def test_file_that_becomes_shorter_while_it_is_read_is_an_error(tmp_path: Path) -> None:
    pairs, data = make_bundle()
    path = tmp_path / "a.seq"
    path.write_bytes(data)
    with open_reader(path) as reader:
        records = reader.records()
        found = [next(records) for _ in range(50)]
        with path.open("r+b") as file:
            file.truncate(found[-1].offset + 100_000)
        with pytest.raises(BundleError, match="became shorter"):
            found.extend(records)

    assert [(record.key, record.value) for record in found] == pairs[: len(found)]
    assert 50 <= len(found) < len(pairs)


def test_file_that_ends_in_markers_is_whole() -> None:
    pairs, data = make_bundle()
    assert read(data + MARKER * 5000) == (pairs, [])


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_header_cut_anywhere_is_an_error(compression: str) -> None:
    data = make_data([], compression=compression, metadata={"k": "v"})
    for size in range(len(data)):
        with pytest.raises(
            BundleError, match=r"cut off|empty|not a SequenceFile|version"
        ) as caught:
            Reader(BytesIO(data[:size]), "a.seq")
        assert caught.value.offset <= size


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("mask", [0x01, 0x40, 0xFF])
def test_any_flipped_byte_gives_records_or_a_bundle_error(compression: str, mask: int) -> None:
    rng = random.Random(4)
    pairs = [(f"k{i}", rng.randbytes(20)) for i in range(4)]
    data = make_data(pairs, compression=compression, metadata={"k": "v"})
    silent = 0
    for offset in range(len(data)):
        try:
            found, errors = read(flip(data, offset, mask))
        except BundleError:
            continue  # the header
        assert len(found) <= len(pairs)
        silent += found != pairs and not errors
    if compression != "none":
        return  # deflate keeps a checksum of the values
    assert silent <= sum(len(key) + len(value) for key, value in pairs)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty file, not a SequenceFile"),
        (b"\xff\xd8\xff\xe0JFIF", "not a SequenceFile"),
        (b"SE", "not a SequenceFile"),
        (b"SEQ\x04\x19org.apache.hadoop.io.Text", "version 4"),
        (make_data([]).replace(b"io.Text", b"io.Texx"), "key class 'org.apache.hadoop.io.Texx'"),
        (
            make_data([], compression="block").replace(b"DefaultCodec", b"Snappy4Codec"),
            "codec 'org.apache.hadoop.io.compress.Snappy4Codec' is none of DefaultCodec",
        ),
    ],
)
def test_file_of_another_kind_is_refused_by_name(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "odd.seq"
    path.write_bytes(data)
    with pytest.raises(BundleError) as caught, open_reader(path):
        pass
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_no_memory_is_taken_on_the_word_of_a_length(compression: str) -> None:
    _, data = make_bundle(compression)
    offset = offsets_of(data)[0]
    claim = (2**31 - 1).to_bytes(4, "big")
    at = offset + 20 + 1 if compression == "block" else offset  # block: length of its first buffer
    claim = b"\x8c" + claim if compression == "block" else claim
    damaged = data[:at] + claim + data[at + len(claim) :]
    tracemalloc.start()
    try:
        with pytest.raises(BundleError, match=f"at byte {offset}$"):
            list(Reader(BytesIO(damaged)).records())
        assert tracemalloc.get_traced_memory()[1] < 1_000_000 + len(data)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("codec", "max_peak"), [("default", 8e6), ("gzip", 8e6), ("bzip2", 16e6)])
@pytest.mark.parametrize("compression", ["record", "block"])
def test_value_that_inflates_without_end_is_stopped_at_the_limit(
    compression: str, codec: str, max_peak: float
) -> None:
    data = make_data([("bomb", bytes(30_000_000))], compression=compression, codec=codec)
    tracemalloc.start()
    try:
        with pytest.raises(BundleError, match="inflates to more than 2000000 bytes"):
            list(Reader(BytesIO(data), max_bytes=2_000_000).records())
        assert tracemalloc.get_traced_memory()[1] < max_peak
    finally:
        tracemalloc.stop()


def test_block_of_countless_empty_records_is_refused() -> None:
    data = make_data(
        [(None, None)] * 30,
        key_class="NullWritable",
        value_class="NullWritable",
        compression="block",
    )
    offset = offsets_of(data)[0]
    lengths = zlib.compress(bytes(100_000))
    empty = zlib.compress(b"")
    block = b"\x8d\x01\x86\xa0"  # 100,000 records
    for buffer in (lengths, empty, lengths, empty):
        block += b"\x8f" + bytes([len(buffer)]) if len(buffer) > 127 else bytes([len(buffer)])
        block += buffer
    file = BytesIO(data[: offset + 20] + block)

    assert len(list(Reader(file).records())) == 100_000
    with pytest.raises(BundleError, match="100000 records"):
        list(Reader(file, max_bytes=1_000_000).records())


def test_writer_says_where_a_name_is_no_unicode_and_writes_nothing_of_it() -> None:
    file = BytesIO()
    with Writer(file, key_class="Text") as writer:
        writer.append("a", b"1")
        with pytest.raises(BundleError, match="not valid Unicode"):
            writer.append("\udcff", b"2")
        writer.append("b", b"3")
    assert [record.key for record in Reader(file).records()] == ["a", "b"]


def test_error_in_the_with_block_does_not_finish_the_file() -> None:
    file = BytesIO()
    with suppress(KeyError), Writer(file, compression="block") as writer:
        writer.append(b"k", b"v")
        raise KeyError
    assert list(Reader(file).records()) == []

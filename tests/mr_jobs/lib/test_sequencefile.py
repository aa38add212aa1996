"""SequenceFiles: what is written is read back, by splits and by offset, and lies as in Java."""

from __future__ import annotations

import random
import tracemalloc
from io import BytesIO, RawIOBase
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from mr_jobs.lib.errors import BundleError
from mr_jobs.lib.sequencefile import Reader, Record, Value, Writer, open_reader

SYNC = bytes(range(100, 116))
MODES = [("none", "default")] + [
    (compression, codec)
    for compression in ("record", "block")
    for codec in ("default", "deflate", "gzip", "bzip2")
]
CLASSES = ("Text", "BytesWritable", "NullWritable", "IntWritable", "LongWritable")
INTERVAL_BYTES = 102400


def make_value(name: str, rng: random.Random, max_bytes: int = 3000) -> Value:
    makers: dict[str, Any] = {
        "Text": lambda: "é😀 n01440764/x_"[: rng.randint(0, 15)] * rng.randint(0, max_bytes // 40),
        "BytesWritable": lambda: rng.randbytes(rng.randint(0, max_bytes)),
        "NullWritable": lambda: None,
        "IntWritable": lambda: rng.randint(-(2**31), 2**31 - 1),
        "LongWritable": lambda: rng.randint(-(2**63), 2**63 - 1),
    }
    value: Value = makers[name]()
    return value


def make_file(pairs: list[tuple[Any, Any]], **options: Any) -> tuple[BytesIO, list[int]]:
    file = BytesIO()
    with Writer(file, sync=SYNC, **options) as writer:
        offsets = [writer.append(key, value) for key, value in pairs]
    return file, offsets


def pairs_of(records: Any) -> list[tuple[Value, Value]]:
    return [(record.key, record.value) for record in records]


def make_bundle(n_records: int, **options: Any) -> tuple[list[tuple[str, bytes]], BytesIO]:
    rng = random.Random(n_records)
    pairs = [(f"train/n/{i}.JPEG", rng.randbytes(rng.randint(0, 9000))) for i in range(n_records)]
    return pairs, make_file(pairs, key_class="Text", **options)[0]


@pytest.mark.parametrize(("compression", "codec"), MODES)
@pytest.mark.parametrize("key_class", CLASSES)
@pytest.mark.parametrize("value_class", CLASSES)
def test_records_of_every_class_and_compression_are_read_back(
    compression: str, codec: str, key_class: str, value_class: str
) -> None:
    rng = random.Random(1)
    pairs = [(make_value(key_class, rng, 100), make_value(value_class, rng)) for _ in range(40)]

    file, _ = make_file(
        pairs, key_class=key_class, value_class=value_class, compression=compression, codec=codec
    )

    assert pairs_of(Reader(file).records()) == pairs
    assert pairs_of(Reader(file).keys()) == [(key, None) for key, _ in pairs]


@pytest.mark.parametrize(("compression", "codec"), MODES)
def test_header_tells_classes_compression_metadata_and_marker(compression: str, codec: str) -> None:
    metadata = {"z": "last", "": "", "é": "seed=7\n" * 50}
    file, _ = make_file(
        [], value_class="LongWritable", compression=compression, codec=codec, metadata=metadata
    )

    reader = Reader(file)

    assert (reader.key_class, reader.value_class) == ("BytesWritable", "LongWritable")
    assert (reader.compression, reader.codec) == (
        compression,
        codec if compression != "none" else None,
    )
    assert (reader.metadata, reader.sync) == (metadata, SYNC)
    assert reader.header_length == len(file.getvalue())
    assert list(reader.records()) == []


def test_uncompressed_file_has_exactly_the_documented_bytes() -> None:
    file, offsets = make_file(
        [("é", 7)], key_class="Text", value_class="IntWritable", metadata={"k": "v"}
    )

    header = (
        b"SEQ\x06\x19org.apache.hadoop.io.Text\x20org.apache.hadoop.io.IntWritable"
        b"\x00\x00\x00\x00\x00\x01\x01k\x01v" + SYNC
    )
    assert file.getvalue() == header + bytes.fromhex("00000007 00000003 02c3a9 00000007")
    assert offsets == [len(header)]


def test_block_file_begins_with_a_marker_and_ends_with_the_last_block() -> None:
    file, offsets = make_file([(b"k", b"v")] * 3, compression="block")
    reader = Reader(file)
    assert file.getvalue()[reader.header_length :].startswith(b"\xff" * 4 + SYNC + b"\x03")
    assert offsets == [reader.header_length] * 3
    assert {record.offset + record.length for record in reader.records()} == {len(file.getvalue())}


@pytest.mark.parametrize(("missing_bytes", "marked"), [(0, True), (1, False)])
def test_marker_is_written_once_102400_bytes_lie_behind_the_last(
    missing_bytes: int, marked: bool
) -> None:
    header_length = Reader(make_file([])[0]).header_length
    first = INTERVAL_BYTES - missing_bytes - header_length - 8 - 8  # the file's beginning counts
    second = INTERVAL_BYTES - 8 - 8
    sizes = [first, second, 0] if marked else [first, 0]

    file, offsets = make_file([(b"", bytes(size)) for size in sizes])

    expected = INTERVAL_BYTES - missing_bytes + (20 if marked else 0)
    assert offsets[1] == expected
    if marked:
        assert offsets[2] == expected + INTERVAL_BYTES + 20
        assert file.getvalue().count(b"\xff" * 4 + SYNC) == 2


def test_records_tell_where_they_lie() -> None:
    pairs, file = make_bundle(60)
    data = file.getvalue()
    records = list(Reader(file).records())
    for (key, value), record in zip(pairs, records, strict=True):
        assert data[record.offset + 9 :].startswith(key.encode())
        assert data[: record.offset + record.length].endswith(value)
    gaps = {after.offset - before.offset - before.length for before, after in pairwise(records)}
    assert gaps == {0, 20}
    without_values = [record._replace(value=None) for record in records]
    assert list(Reader(file).keys()) == without_values


@pytest.mark.parametrize("compression", ["none", "record", "block"])
def test_record_is_read_at_its_offset_while_others_are_being_read(compression: str) -> None:
    rng = random.Random(5)
    pairs = [(rng.randbytes(9), rng.randbytes(90_000)) for _ in range(30)]
    file, offsets = make_file(pairs, compression=compression)
    reader = Reader(file)
    firsts = [offsets.index(offset) for offset in offsets]

    found = [
        (record, reader.read_at(offset))
        for record, offset in zip(reader.records(), offsets, strict=True)
    ]

    assert pairs_of(record for record, _ in found) == pairs
    assert pairs_of(record for _, record in found) == [pairs[first] for first in firsts]
    assert [record.offset for record, _ in found] == offsets


@pytest.mark.parametrize("offset", [-1, 0, 5, 10**9])
def test_offset_outside_the_records_is_refused(offset: int) -> None:
    _, file = make_bundle(3)
    with pytest.raises(BundleError, match="no record"):
        Reader(file).read_at(offset)


@pytest.mark.parametrize("compression", ["none", "record", "block"])
@pytest.mark.parametrize("split_bytes", [1, 997, 102400, 102420, 250_000, 10**9])
def test_splits_cut_by_hadoops_rule_give_every_record_once(
    compression: str, split_bytes: int
) -> None:
    pairs, file = make_bundle(120, compression=compression)
    size = len(file.getvalue())
    reader = Reader(file)
    header_length, marker = reader.header_length, b"\xff" * 4 + SYNC
    starts = [header_length, *find_all(file.getvalue(), marker, header_length + 1)]
    groups = {start: pairs_of(group) for start, group in group_by_start(reader, starts).items()}

    splits = range(0, size, split_bytes) if split_bytes > 1 else range(0, 2 * header_length)
    for start in splits:
        expected = [
            pair
            for group_start, group in groups.items()
            if start <= group_start < start + split_bytes
            for pair in group
        ]
        assert pairs_of(reader.records(start, start + split_bytes)) == expected
        assert len(list(reader.keys(start, start + split_bytes))) == len(expected)
    if split_bytes > 1:
        together = [
            pair
            for start in splits
            for pair in pairs_of(reader.records(start, start + split_bytes))
        ]
        assert together == pairs


def find_all(data: bytes, pattern: bytes, start: int) -> list[int]:
    found = []
    while (start := data.find(pattern, start)) >= 0:
        found.append(start)
        start += 1
    return found


def group_by_start(reader: Reader, starts: list[int]) -> dict[int, list[Record]]:
    groups: dict[int, list[Record]] = {start: [] for start in starts}
    for record in reader.records():
        groups[max(start for start in starts if start <= record.offset)].append(record)
    return groups


def test_same_marker_and_records_make_the_same_file() -> None:
    assert make_bundle(9)[1].getvalue() == make_bundle(9)[1].getvalue()


def test_marker_is_random_by_default() -> None:
    files = [BytesIO(), BytesIO()]
    for file in files:
        Writer(file).close()
    assert Reader(files[0]).sync != Reader(files[1]).sync


class WriteOnly(RawIOBase):
    """A pipe, as far as Python can see."""

    def __init__(self) -> None:
        self.data = b""

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.data += bytes(data)
        return len(data)


def test_writer_needs_only_write_and_leaves_the_file_open() -> None:
    pipe = WriteOnly()
    with Writer(pipe, compression="block") as writer:  # type: ignore[arg-type]  # no BinaryIO
        writer.append(b"k", b"v")
    assert not pipe.closed
    assert pairs_of(Reader(BytesIO(pipe.data)).records()) == [(b"k", b"v")]


def test_writer_refuses_records_after_close() -> None:
    writer = Writer(BytesIO())
    writer.close()
    writer.close()
    with pytest.raises(ValueError, match="closed"):
        writer.append(b"", b"")


@pytest.mark.parametrize(
    "options",
    [
        {"key_class": "Foo"},
        {"value_class": "Foo"},
        {"compression": "Foo"},
        {"codec": "Foo"},
        {"sync": b"Foo"},
    ],
)
def test_writer_refuses_options_it_does_not_know(options: Any) -> None:
    with pytest.raises(ValueError, match=r"Foo|3 bytes"):
        Writer(BytesIO(), **options)


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "big.seq"
    value = random.Random(0).randbytes(60_000)
    tracemalloc.start()
    try:
        with path.open("wb") as file, Writer(file, compression="none") as writer:
            for _ in range(700):
                writer.append(b"key", value)
        with open_reader(path) as reader:
            assert all(record.value == value for record in reader.records())
            assert len([r.offset for r in reader.records(1_000_000, 2_000_000)]) > 10
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 1_000_000

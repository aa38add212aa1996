"""Hadoop's own SequenceFile classes and ours read each other's files, whole and by splits.

One Java program (java/SequenceFileCheck.java) gets all its orders in one start: it reads the files
that Python wrote, writes the same records itself, and reads those.
"""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from mr_jobs.lib.sequencefile import Reader, Record, Value, Writer, open_reader
from mr_jobs.lib.writables import WRITABLES

pytestmark = pytest.mark.cluster

CHECK = Path(__file__).parent / "java" / "SequenceFileCheck.java"
CODECS = {
    "default": "DefaultCodec",
    "deflate": "DeflateCodec",
    "gzip": "GzipCodec",
    "bzip2": "BZip2Codec",
}
MODES = [("none", "default"), *product(("record", "block"), CODECS)]
CLASSES = ("Text", "BytesWritable", "NullWritable", "IntWritable", "LongWritable")
METADATA = {"café": "😀", "a": ""}  # as in SequenceFileCheck.java
KEY_SIZE = 17
INTERVAL_BYTES = 102400
WHOLE = 10**9
TIME_LIMIT_S = 300


class Case(NamedTuple):
    """One file, written once by Python and once by Java."""

    name: str
    key_class: str
    value_class: str
    compression: str
    codec: str
    sizes: list[int]
    split_sizes: list[int]


class Answers(NamedTuple):
    """What Java said, by path: record ends, header fields, (split size, start) -> (count, md5)."""

    ends: dict[Path, list[int]]
    headers: dict[Path, list[str]]
    splits: dict[Path, dict[tuple[int, int], tuple[int, str]]]


def make_payload(kind: str, index: int, size: int) -> Value:
    """Make the key or value that SequenceFileCheck.java makes."""
    if kind == "NullWritable":
        return None
    if kind in ("IntWritable", "LongWritable"):
        factor = 1000003 if kind == "IntWritable" else 1000000000039
        return index * factor * (1 if index % 2 == 0 else -1)
    if kind == "Text":
        text = "".join("abé"[(31 * index + j) % 3] for j in range(size))
        return text + ("😀" if index % 5 == 0 else "")
    parts = (hashlib.md5(b"%d:%d" % (index, j)).digest() for j in range(0, size, 16))  # noqa: S324
    return b"".join(parts)[:size]


def make_cases() -> list[Case]:
    small = [
        Case(
            f"small-{key}-{value}-{compression}-{codec}",
            key,
            value,
            compression,
            codec,
            [0, 1, 50, 3000],
            [WHOLE],
        )
        for key, value, (compression, codec) in product(CLASSES, CLASSES, MODES)
    ]
    large = [make_large_case("BytesWritable", *mode) for mode in MODES]
    large.append(make_large_case("Text", "none", "default"))
    return [*small, *large, make_boundary_case()]


def make_large_case(key_class: str, compression: str, codec: str) -> Case:
    """A file of several markers; for bzip2, at which Java is slow, as small as that allows."""
    n_records, max_bytes = (30, 10_000) if codec == "bzip2" else (400, 7000)
    sizes = [(i * i * 7919) % max_bytes for i in range(n_records)]
    splits = [19_999, INTERVAL_BYTES, 333_333, WHOLE]
    name = f"large-{key_class}-{compression}-{codec}"
    return Case(name, key_class, "BytesWritable", compression, codec, sizes, splits)


def make_boundary_case() -> Case:
    """Records that end exactly on, one byte before and one behind the place of a marker."""
    overhead = 8 + (4 + KEY_SIZE) + 4
    header_bytes = 4 + 2 * 35 + 2 + 4 + (1 + 5 + 1 + 4) + (1 + 1 + 1) + 16
    exact = INTERVAL_BYTES - overhead
    sizes = [exact - header_bytes, exact, exact - 1, 0, exact + 1, exact - 5, 6, 0, 0]
    return Case(
        "boundary",
        "BytesWritable",
        "BytesWritable",
        "none",
        "default",
        sizes,
        [50_000, 102_420, WHOLE],
    )


CASES = make_cases()
PLAIN_CASES = [case for case in CASES if case.compression == "none"]


def write_by_python(path: Path, case: Case) -> list[int]:
    with ExitStack() as stack:
        writer = stack.enter_context(
            Writer(
                stack.enter_context(path.open("wb")),
                key_class=case.key_class,
                value_class=case.value_class,
                compression=case.compression,
                codec=case.codec,
                metadata=METADATA,
            )
        )
        return [writer.append(*pair) for pair in make_pairs(case)]


def make_pairs(case: Case) -> Iterator[tuple[Value, Value]]:
    for index, size in enumerate(case.sizes):
        yield (
            make_payload(case.key_class, index, KEY_SIZE),
            make_payload(case.value_class, index, size),
        )


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("interop")


@pytest.fixture(scope="module")
def python_offsets(directory: Path) -> dict[str, list[int]]:
    """Write every case by Python, as `<name>.py.seq`."""
    return {case.name: write_by_python(path_of(directory, case, "py"), case) for case in CASES}


@pytest.fixture(scope="module")
def answers(directory: Path, python_offsets: dict[str, list[int]], hadoop_lib_dir: Path) -> Answers:
    """Let Java write every case as `<name>.java.seq` and read every file."""
    orders = []
    for case in CASES:
        java_path, python_path = (path_of(directory, case, by) for by in ("java", "py"))
        codec, sizes = CODECS[case.codec], ",".join(map(str, case.sizes))
        compression = case.compression.upper()
        orders.append(
            f"write\t{java_path}\t{case.key_class}\t{case.value_class}\t{compression}\t{codec}\t{sizes}"
        )
        splits = ",".join(map(str, case.split_sizes))
        orders += [f"read\t{path}\t{splits}" for path in (java_path, python_path)]
    done = subprocess.run(
        ["java", "-XX:+UseSerialGC", "-cp", f"{hadoop_lib_dir}/*", str(CHECK)],
        input="\n".join(orders),
        capture_output=True,
        encoding="utf-8",
        timeout=TIME_LIMIT_S,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return parse_answers(done.stdout)


def parse_answers(output: str) -> Answers:
    answers = Answers({}, {}, {})
    for line in output.splitlines():
        what, path_text, *fields = line.split("\t")
        path = Path(path_text)
        if what == "written":
            answers.ends[path] = [int(end) for end in fields[0].split(",")]
        elif what == "header":
            answers.headers[path] = fields
        else:
            size, start, count, md5 = fields
            splits = answers.splits.setdefault(path, {})
            splits[int(size), int(start)] = (int(count), md5)
    return answers


def path_of(directory: Path, case: Case, by: str) -> Path:
    return directory / f"{case.name}.{by}.seq"


def summarise(records: Iterator[Record], reader: Reader) -> tuple[int, str]:
    """Count records and take the MD5 of their keys and values as Hadoop serialises them."""
    encoders = (WRITABLES[reader.key_class].encode, WRITABLES[reader.value_class].encode)
    md5 = hashlib.md5(usedforsecurity=False)
    count = 0
    for record in records:
        for encode, value in zip(encoders, (record.key, record.value), strict=True):
            md5.update(b"".join(encode(value)))
        count += 1
    return count, md5.hexdigest()


def differing(cases: list[Case], check: Any) -> list[str]:
    """Name the cases for which `check` is false: one list says more than the first failure."""
    return [case.name for case in cases if not check(case)]


def test_java_reads_every_file_that_python_writes(directory: Path, answers: Answers) -> None:
    def equal(case: Case) -> bool:
        path = path_of(directory, case, "py")
        codec = CODECS[case.codec] if case.compression != "none" else "-"
        header = [
            case.key_class,
            case.value_class,
            case.compression.upper(),
            codec,
            "{a=, café=😀}",
        ]
        with open_reader(path) as reader:
            records = (Record(key, value, 0, 0) for key, value in make_pairs(case))
            expected = summarise(records, reader)
        return answers.headers[path] == header and answers.splits[path][WHOLE, 0] == expected

    assert differing(CASES, equal) == []


def test_python_reads_every_file_that_java_writes(directory: Path, answers: Answers) -> None:
    def equal(case: Case) -> bool:
        with open_reader(path_of(directory, case, "java")) as reader:
            records = [(record.key, record.value) for record in reader.records()]
            assert reader.metadata == METADATA
            header = (reader.key_class, reader.value_class, reader.compression, reader.codec)
        codec = case.codec if case.compression != "none" else None
        same_header = header == (case.key_class, case.value_class, case.compression, codec)
        return same_header and records == list(make_pairs(case))

    assert differing(CASES, equal) == []


@pytest.mark.parametrize("by", ["py", "java"])
def test_every_split_holds_the_same_records_as_for_java(
    directory: Path, answers: Answers, by: str
) -> None:
    def equal(case: Case) -> bool:
        path = path_of(directory, case, by)
        with open_reader(path) as reader:
            return answers.splits[path] == {
                (size, start): summarise(reader.records(start, start + size), reader)
                for size in case.split_sizes
                for start in range(0, path.stat().st_size, size)
            }

    assert differing(CASES, equal) == []


def test_uncompressed_file_differs_from_javas_in_its_marker_only(
    directory: Path, answers: Answers, python_offsets: dict[str, list[int]]
) -> None:
    def equal(case: Case) -> bool:
        contents = []
        for by in ("py", "java"):
            with open_reader(path_of(directory, case, by)) as reader:
                marker = reader.sync
                ends = [record.offset + record.length for record in reader.records()]
                offsets = [record.offset for record in reader.records()]
            assert offsets == python_offsets[case.name]
            assert ends == answers.ends[path_of(directory, case, "java")]
            contents.append(path_of(directory, case, by).read_bytes().replace(marker, bytes(16)))
        return contents[0] == contents[1]

    assert len(PLAIN_CASES) > 25
    assert differing(PLAIN_CASES, equal) == []


def test_boundary_case_has_markers_where_a_record_ends_exactly_on_the_interval(
    directory: Path, answers: Answers
) -> None:
    path = path_of(directory, make_boundary_case(), "java")
    with open_reader(path) as reader:
        offsets = [record.offset for record in reader.records()]
    assert offsets[1:3] == [INTERVAL_BYTES + 20, 2 * (INTERVAL_BYTES + 20)]

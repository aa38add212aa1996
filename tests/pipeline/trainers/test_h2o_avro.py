"""Tests of `pipeline.trainers.h2o_avro`, against a reader of the format written from its text."""

from __future__ import annotations

import io
import json
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mr_jobs.lib.errors import DataError
from pipeline.trainers.h2o_avro import (
    BLOCK_BYTES,
    MOST_FEATURES,
    SYNC,
    VectorWriter,
    encode_long,
    header,
)


def read_long(file: io.BytesIO) -> int:
    raw, shift = 0, 0
    while True:
        (byte,) = file.read(1)
        raw |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return (raw >> 1) ^ -(raw & 1)


def read_avro(content: bytes) -> tuple[dict[str, Any], list[list[tuple[float, ...]]]]:
    """Read a container file as Avro's specification says; return the schema, and rows by block."""
    file = io.BytesIO(content)
    assert file.read(4) == b"Obj\x01"
    metadata = {}
    while entries := read_long(file):
        for _ in range(entries):
            name = file.read(read_long(file))
            metadata[name] = file.read(read_long(file))
    sync = file.read(16)
    assert metadata[b"avro.codec"] == b"null"
    schema = json.loads(metadata[b"avro.schema"])
    blocks = []
    while file.tell() < len(content):
        n_rows, n_bytes = read_long(file), read_long(file)
        end = file.tell() + n_bytes
        rows = []
        for _ in range(n_rows):
            assert {field["type"] for field in schema["fields"]} == {"float"}
            row = np.frombuffer(file.read(4 * len(schema["fields"])), "<f4")
            rows.append(tuple(map(float, row)))
        assert file.tell() == end
        assert file.read(16) == sync
        blocks.append(rows)
    return schema, blocks


def written(
    rows: list[tuple[list[int], NDArray[np.float32]]], n_features: int, block_bytes: int = 1 << 20
) -> bytes:
    file = io.BytesIO()
    writer = VectorWriter(file, ["label", "row"], n_features, block_bytes)
    for integers, vector in rows:
        writer.append(integers, vector, "an image")
    writer.end()
    assert writer.n_rows == len(rows)
    return file.getvalue()


def test_a_reader_of_the_format_finds_every_number() -> None:
    vectors = np.random.default_rng(1).normal(size=(5, 3)).astype(np.float32)
    rows = [([index % 2, 100_000 + index], vector) for index, vector in enumerate(vectors)]

    schema, blocks = read_avro(written(rows, 3))

    assert [field["name"] for field in schema["fields"]] == ["label", "row", "f0", "f1", "f2"]
    assert blocks == [
        [(index % 2, 100_000 + index, *map(float, v)) for index, v in enumerate(vectors)]
    ]


def test_a_vector_is_written_as_the_shards_have_it() -> None:
    vector = np.array([0.25, -1.5], "<f4")
    assert vector.tobytes() in written([([0, 0], vector)], 2)


def test_blocks_end_at_their_size_and_the_last_one_is_written() -> None:
    vector = np.zeros(7, np.float32)  # 36 bytes a row
    _, blocks = read_avro(written([([0, 1], vector)] * 5, 7, block_bytes=60))
    assert [len(rows) for rows in blocks] == [2, 2, 1]


def test_all_blocks_but_the_last_have_the_length_of_the_first_whatever_is_in_them() -> None:
    """H2O takes it for the length of all, and would lose rows of others."""
    rows = [([0, number * 70_000], np.full(7, number, np.float32)) for number in range(20)]
    content = written(rows, 7, block_bytes=60)
    ends = [at for at in range(len(content)) if content.startswith(SYNC, at)]
    assert len({after - before for before, after in pairwise(ends)}) == 1


def test_a_header_is_shorter_than_a_block() -> None:
    """Else no block would begin in the first of H2O's chunks, or two in a later one."""
    assert len(header(["label", "held_out"], MOST_FEATURES)) < BLOCK_BYTES // 2


def test_no_rows_make_a_file_without_blocks() -> None:
    assert written([], 3) == header(["label", "row"], 3)


def test_the_same_rows_make_the_same_file() -> None:
    rows = [([1, 2], np.ones(2, np.float32))]
    assert written(rows, 2) == written(rows, 2)
    assert len(SYNC) == 16


@pytest.mark.parametrize("value", [0, 1, -1, 63, 64, -64, -65, 8191, 1 << 31, -(1 << 31), 1 << 40])
def test_a_whole_number_is_read_back(value: int) -> None:
    assert read_long(io.BytesIO(encode_long(value))) == value


@pytest.mark.parametrize(
    ("vector", "words"),
    [
        (np.array([1.0, np.nan], np.float32), "n01/a.JPEG holds NaN or infinity"),
        (np.array([1.0, np.inf], np.float32), "n01/a.JPEG holds NaN or infinity"),
        (np.ones(3, np.float32), "n01/a.JPEG has 3 numbers where the first has 2"),
    ],
)
def test_a_damaged_vector_is_named(vector: NDArray[np.float32], words: str) -> None:
    writer = VectorWriter(io.BytesIO(), ["row"], 2)
    with pytest.raises(DataError, match=words):
        writer.append([0], vector, "n01/a.JPEG")


def test_vectors_that_h2o_cannot_hold_as_columns_are_refused() -> None:
    with pytest.raises(DataError, match=r"too long for H2O.*pipeline\.toml"):
        VectorWriter(io.BytesIO(), ["row"], MOST_FEATURES + 1)

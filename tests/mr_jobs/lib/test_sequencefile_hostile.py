"""SequenceFiles made to hurt: neither time nor memory follows what a few bytes claim."""

from __future__ import annotations

import bz2
import random
import time
import tracemalloc
from io import BytesIO
from typing import Any

import pytest

from mr_jobs.lib.errors import BundleError, DataError
from mr_jobs.lib.sequencefile import Reader, Writer
from mr_jobs.lib.sequencefile_format import CODECS, ESCAPE, SYNC_BYTES


def make_header(sync: bytes, **options: Any) -> bytes:
    file = BytesIO()
    Writer(file, sync=sync, **options).close()
    return file.getvalue()


class ManyErrorsError(Exception):
    """Damage was reported over and over."""


def errors_of(data: bytes, at_most: int) -> list[BundleError]:
    errors: list[BundleError] = []

    def collect(error: BundleError) -> None:
        errors.append(error)
        if len(errors) > at_most:
            raise ManyErrorsError

    assert list(Reader(BytesIO(data)).records(on_damage=collect)) == []
    return errors


@pytest.mark.parametrize("compression", ["none", "record", "block"])
def test_markers_without_records_before_damage_are_passed_once(compression: str) -> None:
    marker = ESCAPE + bytes(SYNC_BYTES)
    header = make_header(marker[4:], compression=compression)

    errors = errors_of(header + marker * 500 + b"\x01" * 40, at_most=2)

    assert len(errors) == 1


@pytest.mark.parametrize("compression", ["none", "record", "block"])
def test_a_marker_that_overlaps_itself_does_not_cost_the_square_of_its_length(
    compression: str,
) -> None:
    header = make_header(b"\xff" * SYNC_BYTES, compression=compression)

    errors = errors_of(header + b"\xff" * 50_000 + b"\x01" * 40, at_most=40)

    offsets = [error.offset for error in errors]
    assert offsets == sorted(set(offsets))


class CountingFile(BytesIO):
    """A file that knows how much was read of it."""

    n_bytes = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.n_bytes += len(data)
        return data


def test_damage_between_dense_markers_does_not_read_the_file_over_and_over() -> None:
    marker = ESCAPE + bytes(SYNC_BYTES)
    data = make_header(marker[4:]) + (marker + b"\x7f" * 12) * 10_000
    file = CountingFile(data)

    errors: list[BundleError] = []
    assert list(Reader(file).records(on_damage=errors.append)) == []

    assert len(errors) == 10_000
    assert file.n_bytes < 200 * len(data)


@pytest.mark.parametrize("compression", ["record", "block"])
def test_a_few_kilobytes_that_inflate_to_a_gigabyte_are_stopped_by_default(
    compression: str,
) -> None:
    header = make_header(bytes(SYNC_BYTES), compression=compression, codec="bzip2")
    bomb = bz2.compress(bytes(900_000)) * 1200  # streams end to end: 1.08 GB
    packed = len(bomb).to_bytes(4, "big")
    if compression == "record":
        content = (len(bomb) + 4).to_bytes(4, "big") + (4).to_bytes(4, "big") + bytes(4) + bomb
    else:
        content = ESCAPE + bytes(SYNC_BYTES) + b"\x01" + b"\x8c" + packed + bomb
    tracemalloc.start()
    try:
        with pytest.raises(BundleError, match="inflates to more than 134217728 bytes"):
            list(Reader(BytesIO(header + content)).records())
        assert tracemalloc.get_traced_memory()[1] < 400_000_000
    finally:
        tracemalloc.stop()


def test_a_header_of_countless_texts_is_refused() -> None:
    texts = {f"{number:07}": "" for number in range(300_000)}
    data = make_header(bytes(SYNC_BYTES), metadata=texts)

    with pytest.raises(BundleError, match=r"damaged header: metadata of over 2097152 bytes"):
        Reader(BytesIO(data), "a.seq")


def test_metadata_of_a_size_that_people_use_is_read() -> None:
    texts = {f"{number:07}": "x" * 100 for number in range(10_000)}

    assert Reader(BytesIO(make_header(bytes(SYNC_BYTES), metadata=texts))).metadata == texts


def test_countless_streams_end_to_end_are_inflated_without_copying_the_rest_each_time() -> None:
    codec = CODECS["gzip"]
    stream = codec.compress(b"")
    data = codec.compress(b"first") + stream * 200_000 + codec.compress(b"last")

    start = time.process_time()
    assert codec.inflate(data, 9) == b"firstlast"

    assert (
        time.process_time() - start < 2
    )  # seconds; with a copy of the rest for each stream, over 6


@pytest.mark.parametrize("codec", ["default", "gzip", "bzip2"])
@pytest.mark.parametrize("n_bytes", [0, 1, 8191, 8192, 8193, 3_000_000])
def test_streams_of_any_size_are_inflated_whole(codec: str, n_bytes: int) -> None:
    content = random.Random(n_bytes).randbytes(n_bytes)
    data = CODECS[codec].compress(content)

    assert CODECS[codec].inflate(data + data, 2 * n_bytes) == content + content
    with pytest.raises(DataError, match="cut off"):
        CODECS[codec].inflate(data + data[:-1], 2 * n_bytes)

"""Typed bytes: pairs come back, and a stream that ends or lies is refused."""

from __future__ import annotations

import struct
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mr_jobs.lib.errors import DataError
from mr_jobs.lib.typedbytes import read_pairs

FIELDS = st.tuples(st.sampled_from([0, 7]), st.binary(max_size=60))
PAIRS = st.lists(st.tuples(FIELDS, FIELDS), max_size=8)
Field = tuple[int, bytes]


def packed(field: Field) -> bytes:
    code, content = field
    return struct.pack(">Bi", code, len(content)) + content


def contents(pairs: list[tuple[Field, Field]]) -> list[tuple[bytes, bytes]]:
    return [(key[1], value[1]) for key, value in pairs]


@given(PAIRS)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_pairs_of_bytes_and_texts_come_back(pairs: list[tuple[Field, Field]]) -> None:
    stream = b"".join(packed(key) + packed(value) for key, value in pairs)

    assert list(read_pairs(BytesIO(stream))) == contents(pairs)


@given(PAIRS.filter(bool), st.data())
@settings(max_examples=200, deadline=None, derandomize=True)
def test_a_stream_that_ends_early_gives_the_pairs_before_and_then_an_error(
    pairs: list[tuple[Field, Field]], draws: st.DataObject
) -> None:
    sizes = [len(packed(key) + packed(value)) for key, value in pairs]
    ends = [sum(sizes[:n]) for n in range(len(sizes) + 1)]
    stream = b"".join(packed(key) + packed(value) for key, value in pairs)
    size = draws.draw(st.integers(0, len(stream)).filter(lambda n: n not in ends))
    found: list[tuple[bytes, bytes]] = []

    with pytest.raises(DataError, match="typed bytes ends"):
        found.extend(read_pairs(BytesIO(stream[:size])))

    assert found == contents(pairs)[: sum(end <= size for end in ends) - 1]


@pytest.mark.parametrize(("code", "length"), [(3, 4), (8, 1), (255, 0), (0, -1), (7, -(2**31))])
def test_other_codes_and_negative_lengths_are_refused(code: int, length: int) -> None:
    with pytest.raises(DataError, match=f"code {code} and length {length}"):
        list(read_pairs(BytesIO(struct.pack(">Bi", code, length) + bytes(9))))

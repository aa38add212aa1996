"""Writables: the bytes Hadoop's classes write, and nothing else, are understood."""

from __future__ import annotations

from typing import Any

import pytest

from mr_jobs.lib.errors import DataError
from mr_jobs.lib.writables import WRITABLES, decode_vint, encode_vint

VINTS = {  # computed by WritableUtils.writeVLong of Hadoop 3.4.2
    0: "00",
    127: "7f",
    -112: "90",
    128: "8f80",
    255: "8fff",
    256: "8e0100",
    -113: "8770",
    -256: "87ff",
    -257: "860100",
    2**31 - 1: "8c7fffffff",
    -(2**31): "847fffffff",
    2**63 - 1: "887fffffffffffffff",
}
VALUES = [
    ("Text", "", "00"),
    ("Text", "é", "02c3a9"),
    ("Text", "😀", "04f09f9880"),
    ("BytesWritable", b"", "00000000"),
    ("BytesWritable", b"\xff\x00", "00000002ff00"),
    ("NullWritable", None, ""),
    ("IntWritable", -2, "fffffffe"),
    ("LongWritable", 2**40, "0000010000000000"),
]


@pytest.mark.parametrize(("number", "encoded"), VINTS.items())
def test_variable_length_ints_are_those_of_hadoop(number: int, encoded: str) -> None:
    assert encode_vint(number).hex() == encoded
    assert decode_vint(bytes.fromhex("aa" + encoded + "bb"), 1) == (number, 1 + len(encoded) // 2)


@pytest.mark.parametrize("encoded", [e for e in VINTS.values() if len(e) > 2])
def test_cut_variable_length_int_is_refused(encoded: str) -> None:
    with pytest.raises(DataError, match="cut off"):
        decode_vint(bytes.fromhex(encoded)[:-1])


@pytest.mark.parametrize(("name", "value", "encoded"), VALUES)
def test_values_are_written_as_by_hadoop_and_read_back(name: str, value: Any, encoded: str) -> None:
    writable = WRITABLES[name]
    assert b"".join(writable.encode(value)).hex() == encoded
    assert writable.decode(bytes.fromhex(encoded)) == value


@pytest.mark.parametrize(
    ("name", "encoded", "reason"),
    [
        ("Text", "", "cut off"),
        ("Text", "05c3a9", "claims 5 bytes of 2"),
        ("Text", "01c3a9", "claims 1 bytes of 2"),
        ("Text", "01c3", "not valid UTF-8"),
        ("BytesWritable", "", "field of 0"),
        ("BytesWritable", "000000", "field of 3"),
        ("BytesWritable", "0000000300", "claims 3 bytes"),
        ("BytesWritable", "ffffffff00", "claims -1 bytes"),
        ("NullWritable", "00", "1 bytes instead of 0"),
        ("IntWritable", "0000", "2 bytes instead of 4"),
        ("LongWritable", "00000000", "4 bytes instead of 8"),
    ],
)
def test_bytes_that_are_not_one_value_are_refused(name: str, encoded: str, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        WRITABLES[name].decode(bytes.fromhex(encoded))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Text", b"x"),
        ("BytesWritable", "x"),
        ("NullWritable", 0),
        ("IntWritable", "1"),
        ("LongWritable", None),
    ],
)
def test_value_of_another_type_is_the_callers_mistake(name: str, value: Any) -> None:
    with pytest.raises(TypeError, match=name):
        WRITABLES[name].encode(value)


def test_int_that_does_not_fit_is_the_callers_mistake() -> None:
    with pytest.raises(OverflowError):
        WRITABLES["IntWritable"].encode(2**31)


def test_name_that_is_not_unicode_is_bad_data() -> None:
    with pytest.raises(DataError, match="not valid Unicode"):
        WRITABLES["Text"].encode("\udcff.JPEG")

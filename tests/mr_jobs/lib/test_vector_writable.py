"""Mahout's vectors and clusters: the bytes its classes write, and nothing else, are understood."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest

from mr_jobs.lib.errors import DataError
from mr_jobs.lib.sequencefile import Reader, Writer
from mr_jobs.lib.vector_writable import (
    Cluster,
    decode_cluster,
    decode_varint,
    decode_vector,
    encode_kluster,
    encode_varint,
    encode_vectors,
)

KLUSTER = "org.apache.mahout.clustering.kmeans.Kluster"


def utf(text: str) -> bytes:
    return struct.pack(">H", len(text)) + text.encode()


@pytest.mark.parametrize(
    ("number", "encoded"),
    [(0, "00"), (127, "7f"), (128, "8001"), (16384, "808001"), (2**32 - 1, "ffffffff0f")],
)
def test_varints_have_their_lowest_bits_first(number: int, encoded: str) -> None:
    assert encode_varint(number).hex() == encoded
    assert decode_varint(b"\xaa" + bytes.fromhex(encoded), 1) == (number, 1 + len(encoded) // 2)


@pytest.mark.parametrize("encoded", ["", "80", "ffffffffffff01"])
def test_varint_that_is_cut_off_or_too_long_is_refused(encoded: str) -> None:
    with pytest.raises(DataError, match="variable-length"):
        decode_varint(bytes.fromhex(encoded))


def test_rows_of_doubles_are_dense_vectors_of_doubles() -> None:
    encoded = list(encode_vectors(np.array([[1.0, -2.5], [0.0, 1e300]])))

    assert [one.hex() for one in encoded] == [
        "03" + "02" + "3ff0000000000000" + "c004000000000000",
        "03" + "02" + "0000000000000000" + "7e37e43c8800759c",
    ]


def test_rows_of_floats_take_half_the_bytes_and_keep_every_bit() -> None:
    rows = np.random.default_rng(0).normal(size=(3, 200)).astype(np.float32)

    encoded = list(encode_vectors(rows))

    assert {len(one) for one in encoded} == {1 + 2 + 4 * 200}
    assert (np.stack([decode_vector(one) for one in encoded]) == rows).all()


def test_rows_of_another_layout_are_encoded_in_their_order() -> None:
    columns = np.arange(6.0).reshape(2, 3).T

    assert [decode_vector(one).tolist() for one in encode_vectors(columns)] == columns.tolist()


def test_matrix_without_rows_gives_no_vector() -> None:
    assert list(encode_vectors(np.zeros((0, 3)))) == []


def test_sparse_vectors_with_indices_and_with_steps_are_read() -> None:
    first, second = struct.pack(">d", 7.0), struct.pack(">d", -1.0)
    random_access = b"\x00\x05\x02" + b"\x04" + first + b"\x01" + second
    sequential = b"\x02\x05\x02" + b"\x01" + second + b"\x03" + first

    for encoded in (random_access, sequential):
        assert decode_vector(encoded).tolist() == [0, -1, 0, 0, 7]


def test_name_of_a_vector_is_passed_over() -> None:
    named = b"\x05\x01" + struct.pack(">d", 3.0) + utf("train/n01/a.JPEG")

    assert decode_vector(named).tolist() == [3.0]


@pytest.mark.parametrize(
    ("encoded", "reason"),
    [
        (b"", "cut off"),
        (b"\x10\x01" + bytes(8), "unknown flags"),
        (b"\x01\x02" + bytes(8), "cut off"),
        (b"\x01\x01" + bytes(9), "10 bytes in a field of 11"),
        (b"\x01\xff\xff\xff\xff\x0f", "longer than"),
        (b"\x00\x02\x01\x02" + bytes(8), "behind a vector of 2"),
        (b"\x05\x01" + bytes(8) + b"\x00\x05ab", "cut off"),
    ],
)
def test_bytes_that_are_no_vector_are_refused(encoded: bytes, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        decode_vector(encoded)


def test_cluster_comes_back_from_the_form_that_k_means_leaves() -> None:
    centre = np.array([0.5, -3.0])
    kluster = encode_kluster(Cluster(7, 12, centre))

    found = decode_cluster(utf(KLUSTER) + kluster)

    assert (found.number, found.n_points, found.centre.tolist()) == (7, 12, centre.tolist())


def test_cluster_to_start_from_has_nothing_observed_and_has_not_converged() -> None:
    zero, vector = bytes(8), b"\x03\x01"
    measure = utf("org.apache.mahout.common.distance.SquaredEuclideanDistanceMeasure")

    encoded = encode_kluster(Cluster(1, 0, np.array([2.0])))

    assert encoded == b"".join(
        [
            measure,
            struct.pack(">iqq", 1, 0, 0),
            vector + struct.pack(">d", 2.0),  # centre
            vector + zero,  # radius
            zero,  # s0
            vector + zero,  # s1
            vector + zero,  # s2
            b"\0",
        ]
    )


def test_cluster_of_another_kind_is_refused() -> None:
    with pytest.raises(DataError, match=r"of the class '\S+\.Canopy', not"):
        decode_cluster(utf("org.apache.mahout.clustering.canopy.Canopy") + bytes(40))


def test_cut_cluster_is_refused() -> None:
    whole = utf(KLUSTER) + encode_kluster(Cluster(1, 0, np.array([2.0])))

    for length in (0, 10, len(KLUSTER) + 30, len(KLUSTER) + 90):
        with pytest.raises(DataError, match="cut off"):
            decode_cluster(whole[:length])


@pytest.mark.parametrize(
    ("value_class", "java_name"),
    [
        ("VectorWritable", "org.apache.mahout.math.VectorWritable"),
        ("Kluster", KLUSTER),
        ("ClusterWritable", "org.apache.mahout.clustering.iterator.ClusterWritable"),
    ],
)
def test_sequencefile_of_mahouts_classes_is_written_and_read(
    value_class: str, java_name: str
) -> None:
    file = io.BytesIO()
    with Writer(file, key_class="IntWritable", value_class=value_class) as writer:
        writer.append(5, b"\x01\x00")

    reader = Reader(file)

    assert java_name.encode() in file.getvalue()
    assert reader.value_class == value_class
    assert [(record.key, record.value) for record in reader.records()] == [(5, b"\x01\x00")]


def test_value_that_is_not_serialised_is_refused() -> None:
    with (
        Writer(io.BytesIO(), key_class="IntWritable", value_class="VectorWritable") as writer,
        pytest.raises(TypeError, match="serialised bytes"),
    ):
        writer.append(5, "text")

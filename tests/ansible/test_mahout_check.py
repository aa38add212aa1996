"""The points by which a deployment proves Mahout are such as Mahout reads; failures are told."""

from __future__ import annotations

import io
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from mr_jobs.lib.sequencefile import Reader
from mr_jobs.lib.vector_writable import decode_vector


@pytest.fixture
def check(library: Callable[[str], ModuleType]) -> Any:
    return library("mahout_check")


def test_points_are_a_file_of_numbered_vectors(check: Any) -> None:
    reader = Reader(io.BytesIO(check.points()))

    found = [(record.key, tuple(decode_vector(record.value))) for record in reader.records()]  # type: ignore[arg-type]

    assert (reader.key_class, reader.value_class) == ("IntWritable", "VectorWritable")
    assert found == list(enumerate(check.POINTS))


def test_command_that_fails_is_told_with_javas_complaint(check: Any) -> None:
    script = "echo starting >&2; echo 'java.io.IOException: no space' >&2; echo bye >&2; exit 1"

    with pytest.raises(check.Failure, match=r"sh -c .* failed: java\.io\.IOException: no space"):
        check.run(["sh", "-c", script], timeout_s=10)


def test_command_that_does_not_end_is_told(check: Any) -> None:
    with pytest.raises(check.Failure, match=r"has not ended after 0\.1 s"):
        check.run(["sh", "-c", "while :; do :; done"], timeout_s=0.1)


def test_command_gets_its_content(check: Any) -> None:
    check.run(["sh", "-c", 'test "$(cat)" = points'], 10, b"points")

"""A task's token of HDFS is found in the file of tokens that YARN gives it."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from mr_jobs.lib.errors import DataError
from mr_jobs.webhdfs_token import delegation, read_delegation


def number(value: int) -> bytes:
    """Write a number as Hadoop's WritableUtils does, up to 16 bits."""
    if value < 128:
        return bytes([value])
    return bytes([0x8F, value]) if value < 256 else bytes([0x8E]) + value.to_bytes(2)


def field(content: bytes) -> bytes:
    return number(len(content)) + content


def token(kind: bytes, identifier: bytes = b"who and until when") -> bytes:
    return field(identifier) + field(b"signature") + field(kind) + field(b"127.0.0.1:8020")


def stored(*tokens: bytes) -> bytes:
    entries = b"".join(field(b"alias %d" % at) + each for at, each in enumerate(tokens))
    return b"HDTS\0" + number(len(tokens)) + entries + number(0)


@pytest.mark.parametrize("length", [5, 127, 128, 300, 5000])
def test_hdfs_token_is_found_among_others(tmp_path: Path, length: int) -> None:
    wanted = token(b"HDFS_DELEGATION_TOKEN", b"i" * length)
    path = tmp_path / "tokens"
    path.write_bytes(stored(token(b"YARN_AM_RM_TOKEN"), token(b"mapreduce.job"), wanted))

    found = read_delegation(path)

    assert found is not None
    assert "=" not in found
    assert base64.urlsafe_b64decode(found + "=" * (-len(found) % 4)) == wanted


def test_a_task_without_tokens_says_its_name_instead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HADOOP_TOKEN_FILE_LOCATION", raising=False)
    assert delegation() is None
    path = tmp_path / "tokens"
    path.write_bytes(stored(token(b"YARN_AM_RM_TOKEN")))
    monkeypatch.setenv("HADOOP_TOKEN_FILE_LOCATION", str(path))
    assert delegation() is None  # of a plain cluster: tokens of YARN alone


@pytest.mark.parametrize("content", [b"", b"HDTS\1\0", b"nonsense", stored(token(b"x"))[:30]])
def test_what_is_no_file_of_tokens_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "tokens"
    path.write_bytes(content)

    with pytest.raises(DataError, match="tokens"):
        read_delegation(path)

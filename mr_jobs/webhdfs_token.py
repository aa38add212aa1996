"""The delegation token of HDFS that a task of a secure cluster has, for WebHDFS.

Source: Hadoop's org.apache.hadoop.security.Credentials (token storage, version 0, writables) and
Token.encodeToUrlString; org.apache.hadoop.io.WritableUtils for numbers of variable length.
"""

from __future__ import annotations

import base64
import os
from pathlib import Path

from mr_jobs.lib.errors import DataError

_MAGIC = b"HDTS"
_WRITABLES = 0
_KIND = b"HDFS_DELEGATION_TOKEN"


def delegation() -> str | None:
    """Return the parameter `delegation` of a task's requests; None where tasks have no token.

    Raises
    ------
    DataError : the container's file of tokens is not one, or holds none of HDFS.
    """
    path = os.environ.get("HADOOP_TOKEN_FILE_LOCATION")
    return read_delegation(Path(path)) if path else None


def read_delegation(path: Path) -> str | None:
    """Return HDFS's token in a file of tokens, as base64 for URLs; None if it holds none."""
    content = path.read_bytes()
    if content[:4] != _MAGIC or content[4:5] != bytes([_WRITABLES]):
        raise DataError(f"{path} is not a file of Hadoop's tokens, version {_WRITABLES}")
    try:
        count, at = _number(content, 5)
        for _ in range(count):
            at = _skip(content, at)  # its alias
            start = at
            at = _skip(content, _skip(content, at))  # identifier, password
            kind_at, at = at, _skip(content, at)
            kind = content[kind_at:at]
            at = _skip(content, at)  # service
            if kind.endswith(_KIND):
                return base64.urlsafe_b64encode(content[start:at]).decode().rstrip("=")
    except IndexError as error:
        raise DataError(f"{path} is cut short: it is no file of Hadoop's tokens") from error
    return None


def _skip(content: bytes, at: int) -> int:
    """Return where the bytes end that begin with their number."""
    size, at = _number(content, at)
    if size < 0 or at + size > len(content):
        raise IndexError
    return at + size


def _number(content: bytes, at: int) -> tuple[int, int]:
    """Read a number of variable length; return it and where it ends."""
    first = int.from_bytes(content[at : at + 1], signed=True) if at < len(content) else None
    if first is None:
        raise IndexError
    if first >= -112:
        return first, at + 1
    size = -(first + 112) if first >= -120 else -(first + 120)
    value = int.from_bytes(content[at + 1 : at + 1 + size])
    return (~value if first < -120 else value), at + 1 + size

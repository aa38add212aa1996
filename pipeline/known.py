"""The images that an image store holds already, in 16 bytes each."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from pipeline.catalog import rows
from pipeline.stores import Store


class KnownImages:
    """Answer whether an image of that key is there, and whether it has the same content.

    Keys and contents are kept as the first 8 bytes of their sha256.
    """

    def __init__(self, store: Store) -> None:
        keys, contents = array("Q"), array("Q")
        for row in rows(store):
            keys.append(_first_8(hashlib.sha256(row.key.encode()).digest()))
            contents.append(int(row.sha256[:16], 16))
        order = np.argsort(np.array(keys, np.uint64))
        self._keys: NDArray[np.uint64] = np.array(keys, np.uint64)[order]
        self._contents: NDArray[np.uint64] = np.array(contents, np.uint64)[order]
        self._expected: dict[str, Callable[[], int]] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def content_of(self, key: str) -> int | None:
        """Return the content's hash of the image with this key; None if it is not there."""
        if key in self._expected:
            return self._expected[key]()
        wanted = np.uint64(_first_8(hashlib.sha256(key.encode()).digest()))
        at = int(np.searchsorted(self._keys, wanted))
        if at == len(self._keys) or self._keys[at] != wanted:
            return None
        return int(self._contents[at])

    def expect(self, key: str, content: Callable[[], int]) -> None:
        """Note an image that is planned but not catalogued yet; `content` tells its hash."""
        self._expected[key] = content


def content_hash(encoded: bytes) -> int:
    """Hash an image's bytes as `content_of` does."""
    return _first_8(hashlib.sha256(encoded).digest())


def _first_8(digest: bytes) -> int:
    return int.from_bytes(digest[:8], "big")

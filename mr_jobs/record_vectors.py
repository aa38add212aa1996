"""The work of the features job for programs that hand over records themselves, such as Spark.

It is made of the same parts as `MRExtractFeatures`, so that the vectors are the same bytes.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np

from mr_jobs.lib.codebooks import NO_CODEBOOKS, Codebooks
from mr_jobs.lib.errors import ImageError
from mr_jobs.lib.features import FeatureSpec
from mr_jobs.lib.imagenet import QUARANTINE, ImageKey
from mr_jobs.lib.records import encode_vector
from mr_jobs.lib.selection import Selection
from mr_jobs.one_thread import one_thread

Record = tuple[Any, Any]


@dataclass(frozen=True)
class RecordVectors:
    """Computes the vectors of a partition's records; it can be sent to other processes.

    Parameters
    ----------
    features : `FeatureSpec.to_dict` as JSON.
    codebooks : `Codebooks.to_bytes`, or nothing for features without.
    selection : `Selection.to_bytes` of the images that are wanted; None: all.
    count : is given what was counted, once at the end: read, featurized, skipped,
        skipped_<reason>, of the images that are wanted.
    """

    features: str
    codebooks: bytes
    selection: bytes | None
    count: Callable[[dict[str, int]], object]

    def __call__(self, records: Iterable[Record]) -> Iterator[tuple[str, bytearray]]:
        """Yield (image key, vector) for each image that decodes.

        Parameters
        ----------
        records : (image key, encoded image), of str, bytes or bytearray.
        """
        import cv2

        cv2.setNumThreads(1)  # as many tasks as cores
        spec = FeatureSpec.from_dict(json.loads(self.features))
        books = Codebooks.from_bytes(self.codebooks, "codebooks") if self.codebooks else None
        wanted = None
        if self.selection is not None:
            wanted = Selection(np.frombuffer(self.selection, "<u8").astype(np.uint64))
        counts: Counter[str] = Counter()
        with one_thread():
            for raw_key, encoded in records:
                key = raw_key if isinstance(raw_key, str) else bytes(raw_key).decode()
                if wanted is not None and key not in wanted:
                    continue
                counts["read"] += 1
                try:
                    vector = _vector_of(spec, books or NO_CODEBOOKS, key, bytes(encoded))
                except ImageError as error:
                    counts["skipped"] += 1
                    counts[f"skipped_{error.reason}"] += 1
                    continue
                counts["featurized"] += 1
                yield key, vector
        self.count(dict(counts))


def _vector_of(spec: FeatureSpec, codebooks: Codebooks, key: str, encoded: bytes) -> bytearray:
    image = ImageKey.parse(key)
    if image.split == QUARANTINE:
        raise ImageError(image.wnid)
    return bytearray(encode_vector(spec.extract(encoded, codebooks)))


def digest_of(records: Iterable[Record]) -> Iterator[tuple[int, int]]:
    """Yield one pair, of a partition's records: how many, and an order-free digest of them.

    The sums of the pairs over all partitions, the digest's modulo 2^256, are the same for the same
    records in any order and any partitions.
    """
    n, total = 0, 0
    for key, value in records:
        name = key.encode() if isinstance(key, str) else bytes(key)
        n += 1
        total += int.from_bytes(sha256(sha256(name).digest() + bytes(value)).digest(), "big")
    yield n, total % (1 << 256)

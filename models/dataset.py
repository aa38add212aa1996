"""Read shards as one stream of labelled vectors, always in the same order.

A shard is a SequenceFile whose keys are `mr_jobs.lib.records.ShardKey`s and whose values are raw
float32 vectors; its records are sorted by their keys.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mr_jobs.lib.errors import DataError
from mr_jobs.lib.imagenet import UNLABELLED, ImageKey
from mr_jobs.lib.records import ShardKey, decode_vector, require_one_tag
from mr_jobs.lib.sequencefile import Reader, Value

Pair = tuple[ImageKey, NDArray[np.float32]]
Pairs = Callable[[], Iterable[Pair]]  # starts a new pass over the same images, in the same order
NO_CLASS = -1
BLOCK_ROWS = 1024


class Block(NamedTuple):
    """Some images at once.

    `keys` names the n rows of `X`, float32 of shape (n, n_features), all finite; `y`, int64 of
    shape (n,), holds class_index, or NO_CLASS for an image of a synset outside the model.
    """

    keys: list[ImageKey]
    X: NDArray[np.float32]
    y: NDArray[np.int64]


def merge_parts(readers: Sequence[Reader], split: str | None) -> Iterator[Pair]:
    """Merge the shards by key and yield the images of one split, or of all.

    The order depends on the keys alone: not on how many shards there are or who wrote them.

    Parameters
    ----------
    readers : one for each shard; records of other splits are passed over without being decoded.
    split : train, val or test; None for all of them and the leaked ones.

    Raises
    ------
    DataError
        A shard is not sorted, an image comes twice, a record is not a vector with its key, or the
        shards are of different runs.
    """
    before = b""
    first_tag = None
    prefix = f"{split}\t".encode() if split else b""
    parts = [_of_split(reader, prefix) for reader in readers]
    for key, value in heapq.merge(*parts, key=itemgetter(0)):
        if key <= before:
            raise DataError(
                f"shards: {_show(key)} comes twice or out of order; make the shards anew with "
                "`bin/pipeline split`"
            )
        before = key
        shard_key = _shard_key(key)
        first_tag = first_tag or shard_key.tag
        require_one_tag((first_tag, shard_key.tag))
        yield shard_key.image, _decode(shard_key, value)


def _of_split(reader: Reader, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
    for record in reader.records():
        key, value = _as_bytes(record.key), _as_bytes(record.value)
        if key.startswith(prefix):
            yield key, value
        elif key > prefix:
            return  # sorted: the rest of this shard belongs to later splits


def _as_bytes(value: Value) -> bytes:
    if isinstance(value, str):  # a Text, of a shard that another program wrote
        return value.encode()
    if not isinstance(value, bytes):
        raise DataError(f"shards: {value!r} is neither a key nor a vector; these are no shards")
    return value


def _shard_key(key: bytes) -> ShardKey:
    return ShardKey.parse(key.decode(errors="backslashreplace"))


def _decode(key: ShardKey, value: bytes) -> NDArray[np.float32]:
    try:
        return decode_vector(value)
    except ValueError as error:
        raise DataError(f"shards: the value of {key.image} is not a vector ({error})") from error


def _show(key: bytes) -> str:
    fields = key.decode(errors="backslashreplace").split("\t")
    return fields[min(2, len(fields) - 1)]


def index_classes(wnids: Iterable[str]) -> dict[str, int]:
    """Give every synset that has training images its class_index, by sorted wnid.

    Parameters
    ----------
    wnids : the wnid of every training image, or every wnid once.

    Returns
    -------
    dict of wnid to class_index, which counts from 0 and is dense.

    Raises
    ------
    DataError
        Fewer than two synsets.

    >>> index_classes(["n02", "n01", "n02"])
    {'n01': 0, 'n02': 1}
    """
    classes = sorted(set(wnids) - {UNLABELLED})
    if len(classes) < 2:
        found = f"all of {classes[0]}" if classes else "none at all"
        raise DataError(
            f"a model needs training images of two synsets or more, and here is {found}; "
            "add images of other synsets to the data"
        )
    return {wnid: index for index, wnid in enumerate(classes)}


def blocks(
    pairs: Iterable[Pair], class_index: Mapping[str, int], n_rows: int = BLOCK_ROWS
) -> Iterator[Block]:
    """Group images into blocks of at most `n_rows` rows, keeping their order.

    Raises
    ------
    DataError
        A vector that is not finite, or not as long as the first; the sentence names the image.
    """
    keys: list[ImageKey] = []
    vectors: list[NDArray[np.float32]] = []
    n_features: int | None = None
    for key, vector in pairs:
        n_features = vector.size if n_features is None else n_features
        if vector.shape != (n_features,):
            raise DataError(
                f"shards: the vector of {key} has {vector.size} numbers where the first has "
                f"{n_features}; extract the features of all images with the same parameters"
            )
        keys.append(key)
        vectors.append(vector)
        if len(keys) == n_rows:
            yield _block(keys, vectors, class_index)
            keys, vectors = [], []
    if keys:
        yield _block(keys, vectors, class_index)


def _block(
    keys: list[ImageKey], vectors: list[NDArray[np.float32]], class_index: Mapping[str, int]
) -> Block:
    matrix = np.stack(vectors)
    finite = np.isfinite(matrix).all(axis=1)
    if not finite.all():
        raise DataError(
            f"shards: the vector of {keys[int(np.argmin(finite))]} holds NaN or infinity; "
            "extract the features anew"
        )
    labels = [class_index.get(key.wnid, NO_CLASS) for key in keys]
    return Block(keys, matrix, np.array(labels, np.int64))

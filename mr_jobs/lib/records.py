"""The records that jobs pass on: catalogue rows, vectors, shard keys and their place in a split."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from mr_jobs.lib.duplicates import LEAKED, NO_GROUPS, Groups
from mr_jobs.lib.errors import DataError
from mr_jobs.lib.imagenet import ImageKey

NULL = r"\N"  # Hive's
VECTOR_DTYPE = np.dtype("<f4")
NO_TAG = "-"
HELD_OUT_FRACTION = 1 / 6  # of the training images
_PLACES = 1 << 56


class CatalogRow(NamedTuple):
    """One image of the catalogue; the fields are the columns of the Hive table, in order.

    `bundle`, `offset` (bytes) and `length` (bytes) say where its record is; of a row of HBase
    `bundle` is its place (`hbase_rows.place_of`) and the others are None; sizes are in pixels as
    the file's header gives them, before its EXIF orientation is applied. `repairs` are the kinds of
    repair that its pixels need, sorted and separated by commas; `signature` is that of
    `perceptual.signature`. `status` is `kept` or `quarantined`, with a `reason`.
    """

    image_id: str
    wnid: str
    split: str
    key: str
    bundle: str
    offset: int | None
    length: int | None
    bytes: int
    sha256: str
    width: int | None
    height: int | None
    channels: int | None
    format: str | None
    exif_orientation: int | None
    repairs: str | None
    signature: str | None
    status: str
    reason: str | None

    def to_line(self) -> str:
        r"""Write the row as tab-separated text with `\N` for None."""
        return "\t".join(NULL if field is None else str(field) for field in self)

    def span(self) -> tuple[int, int]:
        """Return where its record begins in the bundle, and where it ends, in bytes.

        Raises
        ------
        DataError
            It is in no bundle.
        """
        if self.offset is None or self.length is None:
            raise DataError(f"{self.key} is in no bundle: the catalogue has {self.bundle}")
        return self.offset, self.offset + self.length

    def counters(self) -> list[str]:
        """Name the counters of the cataloguing job that the row adds one to."""
        names = ["catalogued", self.status]
        if self.reason:
            names.append(f"quarantined_{self.reason}")
        elif self.repairs:
            names += [f"repaired_{kind}" for kind in self.repairs.split(",")]
        return names

    @classmethod
    def from_line(cls, line: str) -> Self:
        """Read a row of tab-separated text."""
        fields = line.rstrip("\n").split("\t")
        if len(fields) != len(cls._fields):
            raise DataError(f"not a row of the catalogue: {line!r}")
        values: list[str | int | None] = []
        for name, text in zip(cls._fields, fields, strict=True):
            values.append(None if text == NULL else int(text) if name in _INTEGERS else text)
        return cls(*values)  # type: ignore[arg-type]  # the class's own field order


_INTEGERS = frozenset(
    ["offset", "length", "bytes", "width", "height", "channels", "exif_orientation"]
)


def encode_vector(vector: NDArray[np.float32]) -> bytes:
    """Write a float32 vector of shape (n,) as little-endian bytes."""
    return vector.astype(VECTOR_DTYPE, copy=False).tobytes()


def decode_vector(value: bytes) -> NDArray[np.float32]:
    """Read a float32 vector of shape (n,) from little-endian bytes; the array is read-only."""
    return np.frombuffer(value, VECTOR_DTYPE)


def place(key: str, seed: int) -> float:
    """Give an image its fixed place in [0, 1): a seeded hash of its key without the split.

    The place decides the side of a split and the order in shards; it depends on nothing but the
    image's class and file name, so that adding images moves none of the old ones.
    """
    image = ImageKey.parse(key)
    digest = hashlib.sha256(f"{seed}/{image.wnid}/{image.file_name}".encode()).digest()
    return int.from_bytes(digest[:7], "big") / _PLACES


def split_of(image: ImageKey, where: float, val_fraction: float, test_fraction: float) -> str:
    """Name the split of an image by its place, for data without a division of its own.

    >>> split_of(ImageKey("train", "n01440764", "a.JPEG"), 0.1, 0.2, 0.0)
    'val'
    """
    if image.split != "train" or where >= val_fraction + test_fraction:
        return image.split
    return "val" if where < val_fraction else "test"


class ShardKey(NamedTuple):
    r"""The key of a shard's record: `<split>\t<place, 14 hex>\t<image key>\t<tag>`.

    Sorting by it groups the splits and shuffles the images of each. `place_56` is the place times
    2⁵⁶; `image` has the split that the image was given; `tag` is the same for all records of one
    run of the split step, 8 hexadecimal digits or `-`.
    """

    split: str
    place_56: int
    image: ImageKey
    tag: str

    def __str__(self) -> str:
        return f"{self.split}\t{self.place_56:014x}\t{self.image}\t{self.tag}"

    @property
    def place(self) -> float:
        """The image's place in [0, 1)."""
        return self.place_56 / _PLACES

    @classmethod
    def parse(cls, key: str) -> ShardKey:
        r"""Read a key.

        >>> ShardKey.parse("val\t80000000000000\tval/n01/a.JPEG\t-").place
        0.5
        """
        try:
            split, digits, image, tag = key.split("\t")
            return cls(split, int(digits, 16), ImageKey.parse(image), tag)
        except (ValueError, DataError) as error:
            raise DataError(
                f"shards: {key!r} is not the key of a shard's record; make the shards anew with "
                "`bin/pipeline split`"
            ) from error


def shard_key(  # what decides an image's side
    key: str,
    seed: int,
    val_fraction: float,
    test_fraction: float,
    groups: Groups = NO_GROUPS,
    tag: str = NO_TAG,
) -> str:
    """Make the key of a shard's record, see `ShardKey`.

    Duplicates have the place of the first of their group, so that they are on one side; a leaked
    image is in the split `leaked`.
    """
    where = place(groups.group_of.get(key, key), seed)
    image = ImageKey.parse(key)
    if key in groups.leaked:
        return str(ShardKey(LEAKED, int(where * _PLACES), image, tag))
    side = split_of(image, where, val_fraction, test_fraction)
    return str(ShardKey(side, int(where * _PLACES), image._replace(split=side), tag))


def held_out_from(val_fraction: float, test_fraction: float) -> float:
    """Return the place from which a train image is held out for choosing a model: a sixth is.

    >>> round(held_out_from(0.3, 0.1), 6)
    0.9
    """
    low = val_fraction + test_fraction
    return low + (1.0 - low) * (1.0 - HELD_OUT_FRACTION)


def require_one_tag(tags: Iterable[str]) -> None:
    """Refuse shards of different runs.

    Raises
    ------
    DataError
        The tags are not all the same.
    """
    found = sorted(set(tags))
    if len(found) > 1:
        raise DataError(
            f"shards of two different runs are mixed (tags {', '.join(found)}); make the shards "
            "anew with `bin/pipeline split`"
        )


def order_free_digest(items: Iterable[str]) -> str:
    """Hash a set of strings to 64 hexadecimal digits, whatever their order, in constant memory."""
    total = 0
    for item in items:
        total += int.from_bytes(hashlib.sha256(item.encode()).digest(), "big")
    return f"{total % (1 << 256):064x}"

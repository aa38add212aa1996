"""The rows of an image store's table in HBase: their keys, ranges and columns, as pure functions.

A row is an image. Its key is the salt, two hexadecimal digits of a hash of the image key, and the
image key: `a3/train/n01440764/n01440764_10026.JPEG`. So the rows of a class, which come in one
after the other, are spread over all regions; a table has as many regions as it likes, a job as
many tasks, up to 256, and the images of a class are 256 short scans.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import NamedTuple, Self

from mr_jobs.lib.errors import DataError
from mr_jobs.lib.imagenet import ImageKey
from mr_jobs.lib.records import NULL, CatalogRow

N_SALTS = 256
PART_BYTES = 1 << 20  # a larger image is kept in parts of so many bytes: requests stay small
MAX_ROW_KEY_BYTES = 32_767  # HBase's Short.MAX_VALUE

IMAGE, METADATA, FEATURES, PREDICTION = FAMILIES = ("image", "metadata", "features", "prediction")
DATA = b"image:data"  # an image of at most PART_BYTES
N_PARTS = b"image:parts"  # of a larger one, whose parts are image:00000 and so on
BATCH = b"metadata:batch"  # the ingest that brought it, as in the ledger
STATUS = b"metadata:status"  # kept or quarantined: as all columns of the catalogue
VECTOR = b"features:vector"  # little-endian float32, as in a run's features
FINGERPRINT = b"features:fingerprint"  # of what the vector was made with
IMAGE_COLUMNS = (DATA, N_PARTS, BATCH)

NO_BATCH = "99999"  # in the names of places: of rows that no ingest finished
SUFFIX = ".hbase"
_PLACE = re.compile(r"(\d{5,})-([0-9a-f]{2})\.hbase")
_SALT = re.compile(r"[0-9a-f]{2}")
_WHERE = ("key", "bundle", "offset", "length")  # of a catalogue's row: the row key says so


class Address(NamedTuple):
    """Where a table is: its Thrift server, and its name."""

    host: str
    port: int
    table: str

    def __str__(self) -> str:
        return f"{self.host}:{self.port}/{self.table}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an address.

        >>> Address.parse("127.0.0.1:9090/imagenet_sample").table
        'imagenet_sample'
        """
        found = re.fullmatch(r"([^/\s]+):(\d+)/([\w.-]+)", text)
        if found is None:
            raise DataError(f"not the address of a table of HBase, HOST:PORT/TABLE: {text!r}")
        host, port, table = found.groups()
        return cls(host, int(port), table)


class Place(NamedTuple):
    """Where a row is, as `CatalogRow` has it: no bundle's byte range."""

    bundle: str
    offset: None = None
    length: None = None


class SaltRange(NamedTuple):
    """The rows of some salts, `first` to `last`; of one batch, or of all (None)."""

    first: int
    last: int
    batch: str | None

    @property
    def start(self) -> bytes:
        """The row key that the range begins at."""
        return f"{self.first:02x}".encode()

    @property
    def stop(self) -> bytes | None:
        """The row key that the range ends before; None for the table's end.

        >>> [SaltRange(0, last, None).stop for last in (0x3f, 0xff)]
        [b'40', None]
        """
        return f"{self.last + 1:02x}".encode() if self.last < N_SALTS - 1 else None

    def to_line(self) -> str:
        """Write the range as a line of tab-separated text."""
        return f"{self.first:02x}\t{self.last:02x}\t{self.batch or NULL}\n"

    @classmethod
    def from_line(cls, line: str) -> Self:
        """Read a range."""
        fields = line.rstrip("\n").split("\t")
        if len(fields) != 3 or not all(map(_SALT.fullmatch, fields[:2])):
            raise DataError(f"not a range of salts: {line!r}")
        first, last, batch = fields
        if int(last, 16) < int(first, 16) or not (batch == NULL or batch.isdecimal()):
            raise DataError(f"not a range of salts: {line!r}")
        return cls(int(first, 16), int(last, 16), None if batch == NULL else batch)


def salt_of(key: str) -> int:
    """Return the salt of an image key, 0 to 255."""
    return hashlib.sha256(key.encode()).digest()[0]


def row_key(key: str) -> bytes:
    """Return the key of an image's row.

    Raises
    ------
    DataError
        It is too long for HBase.

    >>> row_key("train/n01440764/n01440764_10026.JPEG")
    b'73/train/n01440764/n01440764_10026.JPEG'
    """
    row = f"{salt_of(key):02x}/{key}".encode()
    if len(row) > MAX_ROW_KEY_BYTES:
        raise DataError(
            f"the name of an image of {len(row)} bytes is longer than a row key of HBase may be, "
            f'{MAX_ROW_KEY_BYTES} ({key[:80]!r}…); give store = "bundles" in pipeline.toml'
        )
    return row


def image_key(row: bytes) -> str:
    """Return the image key of a row.

    Raises
    ------
    DataError
        It is not the row of an image, or the salt is not that of its key.
    """
    try:
        salt, _, key = row.decode().partition("/")
        if f"{salt_of(str(ImageKey.parse(key))):02x}" == salt:
            return key
    except (UnicodeDecodeError, DataError):
        pass
    raise DataError(f"not the row of an image: {row!r}")


def place_of(key: str, batch: str) -> Place:
    """Return what the catalogue says of where a row is: `<batch>-<salt>.hbase`.

    These names stand where those of bundles do: whoever groups images by bundle gets groups of
    like size that are scanned by themselves.
    """
    return Place(f"{batch}-{salt_of(key):02x}{SUFFIX}")


def salt_of_place(name: str) -> int:
    """Return the salt of a place's name.

    >>> salt_of_place("00002-a3.hbase")
    163
    """
    found = _PLACE.fullmatch(name)
    if found is None:
        raise DataError(f"not the name of a place in HBase, <batch>-<salt>.hbase: {name!r}")
    return int(found[2], 16)


def divide(salts: Iterable[int], n_tasks: int, batch: str | None = None) -> list[list[SaltRange]]:
    """Divide salts among tasks, in order and about equally: hashes spread the images evenly.

    Returns
    -------
    The ranges of each task, neighbours joined; no task is without any.

    >>> divide(range(256), 2)
    [[SaltRange(first=0, last=127, batch=None)], [SaltRange(first=128, last=255, batch=None)]]
    """
    wanted = sorted(set(salts))
    n_tasks = max(1, min(n_tasks, len(wanted)))
    cuts = [len(wanted) * task // n_tasks for task in range(n_tasks + 1)]
    return [list(_joined(wanted[a:b], batch)) for a, b in pairwise(cuts) if a < b]


def _joined(salts: list[int], batch: str | None) -> Iterator[SaltRange]:
    first = last = salts[0]
    for salt in salts[1:]:
        if salt != last + 1:
            yield SaltRange(first, last, batch)
            first = salt
        last = salt
    yield SaltRange(first, last, batch)


def split_keys(n_regions: int) -> list[str]:
    """Return the keys at which a new table is split into regions of like size.

    >>> split_keys(4)
    ['40', '80', 'c0']
    """
    return [f"{N_SALTS * n // n_regions:02x}" for n in range(1, n_regions)]


def batch_filter(batch: str) -> bytes:
    """Return the filter, in Thrift's language, of the rows that an ingest brought."""
    return f"SingleColumnValueFilter('metadata','batch',=,'binary:{batch}',true,true)".encode()


def part_column(number: int) -> bytes:
    """Return the column of a part of a large image."""
    return b"image:%05d" % number


def metadata_cells(row: CatalogRow) -> dict[bytes, bytes]:
    r"""Return the cells of the family metadata: a column each of the catalogue, `\N` for NULL.

    Where the image is is left out: the row is there.
    """
    return {
        f"{METADATA}:{name}".encode(): (NULL if value is None else str(value)).encode()
        for name, value in row._asdict().items()
        if name not in _WHERE
    }


def feature_cells(vector: bytes, fingerprint: str) -> dict[bytes, bytes]:
    """Return the cells of the family features: a vector's bytes, and what it was made with."""
    return {VECTOR: vector, FINGERPRINT: fingerprint.encode()}


def prediction_cells(run_id: str, best: Iterable[tuple[str, float]]) -> dict[bytes, bytes]:
    """Return the cell of the family prediction: a run's best synsets with their scores.

    >>> prediction_cells("r1", [("n01", 0.5), ("n02", 0.25)])
    {b'prediction:r1': b'[["n01", 0.5], ["n02", 0.25]]'}
    """
    told = json.dumps([[wnid, float(f"{score:.6g}")] for wnid, score in best])
    return {f"{PREDICTION}:{run_id}".encode(): told.encode()}


def table_name(image_store: str) -> str:
    """Return the name of an image store's table.

    >>> table_name("sample-330899")
    'imagenet_sample-330899'
    """
    return f"imagenet_{image_store}"

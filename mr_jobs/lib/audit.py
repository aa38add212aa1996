"""Read a bundle's images again, and make the figures by which it is held to the catalogue."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

from mr_jobs.lib.errors import BundleError
from mr_jobs.lib.sequencefile import OnDamage, Reader


class Stored(NamedTuple):
    """An image as it is in a bundle: where its record begins, its length in bytes, its SHA-256.

    `offset` is None for a row of HBase.
    """

    key: str
    offset: int | None
    n_bytes: int
    sha256: str


def stored_images(file: BinaryIO, name: str, on_damage: OnDamage | None = None) -> Iterator[Stored]:
    """Yield the images of a bundle, each read whole.

    Parameters
    ----------
    file : the bundle, open for reading, seekable.
    name : what errors call it.
    on_damage : as in `Reader.records`.

    Raises
    ------
    BundleError
        Where the bundle is damaged and there is no `on_damage`, or its header is.
    """
    for record in Reader(file, name).records(on_damage=on_damage):
        key, value = record.key, record.value
        if not (isinstance(key, bytes) and isinstance(value, bytes)):
            raise BundleError("not a record of a key and an image", name, record.offset)
        sha256 = hashlib.sha256(value).hexdigest()
        yield Stored(key.decode("utf-8", "backslashreplace"), record.offset, len(value), sha256)


@dataclass
class Figures:
    """What a bundle holds: its images, their bytes, and a sum over their keys, places and hashes.

    Two sets of images have the same figures when they are the same, whatever their order.

    >>> one, other = Figures(), Figures()
    >>> for figures, offsets in ((one, (96, 200)), (other, (200, 96))):
    ...     for offset in offsets:
    ...         figures.add(Stored(f"train/n01/{offset}.JPEG", offset, 5, "ab12"))
    >>> one == other
    True
    """

    n_images: int = 0
    n_bytes: int = 0
    total: int = 0

    def add(self, image: Stored) -> None:
        """Add an image."""
        self.n_images += 1
        self.n_bytes += image.n_bytes
        digest = hashlib.sha256(f"{image.key}\t{image.offset}\t{image.sha256}".encode()).digest()
        self.total = (self.total + int.from_bytes(digest, "big")) % (1 << 256)

    def to_fields(self) -> tuple[str, str, str]:
        """Write the figures as three texts; the last has 64 hexadecimal digits."""
        return str(self.n_images), str(self.n_bytes), f"{self.total:064x}"

    @classmethod
    def from_fields(cls, n_images: str, n_bytes: str, digest: str) -> Figures:
        """Read the figures of three texts."""
        return cls(int(n_images), int(n_bytes), int(digest, 16))

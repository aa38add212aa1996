"""What is planned for: how many images, how large, of how many classes, in how many bundles."""

from __future__ import annotations

import hashlib
import heapq
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, cast

from mr_jobs.lib.errors import ConfigError, DataError
from mr_jobs.lib.imagenet import UNLABELLED
from pipeline.config import Config, DataSettings
from pipeline.ingest import GROUP_BUNDLES, grouped, same_split
from pipeline.layouts import RawData, RawPath, RawSource
from pipeline.progress import Progress
from pipeline.raw_members import SourceFacts, facts_of, raw_members

SAMPLED = 200  # images that are looked at for what one costs
_RECORD_BYTES = 60  # a record's head and key in a bundle


class Encoded(NamedTuple):
    """An image of the data: its split, its class and its bytes."""

    split: str
    wnid: str
    content: bytes


@dataclass(frozen=True)
class Amounts:
    """How much of everything there is.

    Attributes
    ----------
    images, train, tested : counts; tested are those of val and test.
    image_bytes, raw_bytes : of the images alone, and with the tars around them.
    classes : synsets to train on.
    bundles : how many there will be.
    sources : raw tars and folders.
    """

    images: int
    train: int
    tested: int
    image_bytes: int
    raw_bytes: int
    classes: int
    bundles: int
    sources: int

    @property
    def bundle_bytes(self) -> int:
        """The bytes of all bundles: images, keys and heads."""
        return self.image_bytes + self.images * _RECORD_BYTES


def amounts_of(data: RawData, config: Config, progress: Progress) -> tuple[Amounts, list[Encoded]]:
    """Count a data set's images by the headers of its tars and the lists of its folders.

    Returns
    -------
    The counts, and up to `SAMPLED` images, those whose names have the least hashes.

    Raises
    ------
    DataError
        There is no image in it.
    """
    facts = {source.name: facts_of(source) for source in data.sources}
    splits: Counter[str] = Counter()
    wnids: set[str] = set()
    chosen: list[tuple[int, int, _Found]] = []
    image_bytes = n = 0
    for found in _found(data):
        n += 1
        splits[found.source.split] += 1
        image_bytes += found.size
        if found.source.split == "train":
            wnids.add(found.wnid)
        heapq.heappush(chosen, (-_hash(f"{found.source.name}/{found.name}"), n, found))
        if len(chosen) > SAMPLED:
            heapq.heappop(chosen)
        if n % 1000 == 0:
            progress.update(n, 0)
    if not n:
        raise DataError(f"{data.root}: there is no image in it to plan for")
    n_bundles = _bundles(data.sources, facts, config.data.bundle_mb << 20)
    raw_bytes = sum(fact.n_bytes for fact in facts.values())
    train, tested = splits["train"], splits["val"] + splits["test"]
    if not data.has_val:
        train, tested = divided(train, config.data)
        tested += splits["test"]
    classes = len(wnids - {"", UNLABELLED})
    amounts = Amounts(
        n, train, tested, image_bytes, raw_bytes, classes, n_bundles, len(data.sources)
    )
    return amounts, [_read(found) for _, _, found in sorted(chosen, reverse=True)]


def amounts_given(images: int, n_bytes: int, classes: int, config: Config) -> Amounts:
    """Plan for data that are not there: one tar a class, divided by a hash.

    Raises
    ------
    ConfigError
        A number that cannot be.
    """
    if not (images >= 1 and n_bytes >= images and 1 <= classes <= images):
        raise ConfigError(
            f"{images:,} images of {classes:,} classes in {n_bytes:,} bytes cannot be; give "
            "--images, --bytes and --classes of a data set"
        )
    raw_bytes = n_bytes + 768 * images  # a tar's header, and half a block of padding
    bundle_bytes = config.data.bundle_mb << 20
    each = raw_bytes // classes
    in_group = max(1, bundle_bytes * GROUP_BUNDLES // each)  # classes whose tars go together
    groups, left = divmod(classes, in_group)
    n_bundles = groups * _bundles_of_like(in_group, each, bundle_bytes)
    n_bundles += _bundles_of_like(left, each, bundle_bytes)
    train, tested = divided(images, config.data)
    return Amounts(images, train, tested, n_bytes, raw_bytes, classes, n_bundles, classes)


def divided(images: int, settings: DataSettings) -> tuple[int, int]:
    """Divide images that have no official division: how many are trained on, how many tested."""
    tested = round(images * (settings.val_fraction + settings.test_fraction))
    return images - tested, tested


class _Found(NamedTuple):
    source: RawSource
    name: str
    wnid: str
    path: RawPath
    offset: int
    size: int


def _found(data: RawData) -> Iterator[_Found]:
    for source in data.sources:
        for raw in raw_members(source, data, allow_damaged=True):
            member = raw.member
            if not member.refused:
                path, wnid = raw.path or source.path, source.wnid or raw.label
                yield _Found(source, member.name, wnid, path, member.data_offset, member.size)


def _read(found: _Found) -> Encoded:
    with found.path.open("rb") as file:
        file.seek(found.offset)
        return Encoded(found.source.split, found.wnid or UNLABELLED, file.read(found.size))


def _hash(name: str) -> int:
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big")


def _bundles_of_like(n: int, n_bytes: int, bundle_bytes: int) -> int:
    """Count the bundles of n tars of one size."""
    if not n:
        return 0
    tar = RawSource("train", "", cast(RawPath, None), 0, n_bytes)
    return _bundles([tar] * n, {tar.name: SourceFacts("", 0, n_bytes, "")}, bundle_bytes)


def _bundles(sources: list[RawSource], facts: dict[str, SourceFacts], bundle_bytes: int) -> int:
    """Count the bundles as `ingest` plans them: groups of sources, cut into equal parts."""
    groups = grouped(sources, facts, bundle_bytes * GROUP_BUNDLES, same_split)
    sizes = (sum(facts[source.name].n_bytes for source in group) for group in groups)
    return sum(1 + size // bundle_bytes for size in sizes)

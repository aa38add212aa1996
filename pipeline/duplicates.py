"""Join pairs of duplicates into groups, which a split keeps on one side.

Groups are made batch by batch, closest pairs first (single linkage, as Kruskal's algorithm finds
it). An image joins a group once, when its batch comes, and never leaves: two groups of older
batches are not made one by a newer image that resembles both. So adding images moves none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from mr_jobs.lib.duplicates import LABEL_CONFLICT, LEAK, DuplicatePair, GroupRow, Groups
from mr_jobs.lib.errors import JobError
from mr_jobs.lib.imagenet import UNLABELLED, ImageKey
from pipeline.stores import Store

FOLDER = "duplicates"
FILE = f"{FOLDER}/groups.tsv"
ReadPairs = Callable[[], Iterable[DuplicatePair]]

_NEAREST = 8  # older images that are remembered, of those a new one resembles
_HELD_OUT = ("val", "test")


class _Member(NamedTuple):
    key: str
    group_key: str
    kept: bool
    kind: str
    distance: int


@dataclass
class _Group:
    """What is known of a group, by its kept images."""

    images: int = 0
    held_out: bool = False  # an official val or test image is in it
    wnids: set[str] = field(default_factory=set)

    def add(self, key: str, *, kept: bool) -> None:
        """Count one more image."""
        self.images += 1
        image = ImageKey.parse(key)
        if kept:
            self.held_out |= image.split in _HELD_OUT
            if image.wnid != UNLABELLED and len(self.wnids) < 2:  # two are a conflict
                self.wnids.add(image.wnid)

    def problem_of(self, key: str, *, kept: bool) -> str | None:
        """Return the problems of an image of the group, with commas, or None."""
        image = ImageKey.parse(key)
        problems = []
        if kept and self.held_out and image.split == "train":
            problems.append(LEAK)
        if kept and len(self.wnids) > 1 and image.wnid != UNLABELLED:
            problems.append(LABEL_CONFLICT)
        return ",".join(problems) or None


class Grouping:
    """The groups that pairs make.

    Memory is that of the near pairs and of the groups, not that of all equal images: the pairs are
    read four times.

    Attributes
    ----------
    counts : after `rows`, of images in groups = groups (one first image each) + exact + near; of
        leaks (train images) and label_conflicts (groups). At once, of bridges: pairs of an image
        with a second group of older batches, which were left apart.
    """

    def __init__(self, read_pairs: ReadPairs) -> None:
        self.counts: Counter[str] = Counter()
        self._read_pairs = read_pairs
        self._parents: dict[str, str] = {}
        self._kept: dict[str, bool] = {}
        self._nearest: dict[str, tuple[int, str]] = {}  # distance and kind
        self._join(self._linking_pairs())
        self._groups: dict[str, _Group] = {}
        for member in self._members():
            group = self._groups.setdefault(member.group_key, _Group())
            group.add(member.key, kept=member.kept)

    def rows(self) -> Iterator[GroupRow]:
        """Yield the images of groups of two or more, and count them."""
        counts = self.counts
        for member in self._members():
            group = self._groups[member.group_key]
            if group.images < 2:
                continue
            problem = group.problem_of(member.key, kept=member.kept)
            image = ImageKey.parse(member.key)
            counts["images"] += 1
            counts["groups" if member.kind == "first" else member.kind] += 1
            counts["leaks"] += LEAK in (problem or "")
            counts["label_conflicts"] += member.kind == "first" and len(group.wnids) > 1
            yield GroupRow(
                *member[:2], member.kind, member.distance, image.split, image.wnid, problem
            )

    def _linking_pairs(self) -> list[DuplicatePair]:
        """Return the pairs that groups are joined by: near ones, and exact ones of those images."""
        nearest: dict[str, dict[str, DuplicatePair]] = {}
        for pair in self._read_pairs():
            if pair.kind != "near":
                continue
            found = nearest.setdefault(pair.newer, {})
            known = found.get(pair.older)
            if known is None or pair.distance < known.distance:
                found[pair.older] = pair
            if len(found) > 4 * _NEAREST:
                nearest[pair.newer] = _closest(found)
        pairs = [pair for found in nearest.values() for pair in _closest(found).values()]
        linked = {key for pair in pairs for key in (pair.newer, pair.older)}
        pairs += [p for p in self._read_pairs() if p.kind == "exact" and p.newer in linked]
        return sorted(pairs, key=lambda pair: (pair.newer_batch, _closeness(pair)))

    def _join(self, pairs: list[DuplicatePair]) -> None:
        ages: dict[str, tuple[int, str]] = {}
        for pair in pairs:
            for key, batch, kept in (
                (pair.newer, pair.newer_batch, pair.newer_kept),
                (pair.older, pair.older_batch, pair.older_kept),
            ):
                self._parents.setdefault(key, key)
                ages[key] = (batch, key)
                self._kept[key] = kept
        for pair in pairs:
            roots = self._root(pair.older), self._root(pair.newer)
            older, newer = sorted(roots, key=ages.__getitem__)
            if older == newer:
                continue
            if ages[newer][0] < pair.newer_batch:  # two groups that were there before
                self.counts["bridges"] += 1
            else:
                self._parents[newer] = older
        for pair in pairs:
            if self._root(pair.newer) == self._root(pair.older):
                for key in (pair.newer, pair.older):
                    told = (pair.distance, pair.kind)
                    self._nearest[key] = min(told, self._nearest.get(key, told))

    def _root(self, key: str) -> str:
        parents = self._parents
        while parents[key] != key:
            parents[key] = parents[parents[key]]
            key = parents[key]
        return key

    def _members(self) -> Iterator[_Member]:
        """Yield the images of all groups, and some that are alone."""
        firsts = set()
        for key in self._parents:
            root = self._root(key)
            if key == root:
                yield _Member(key, key, self._kept[key], "first", 0)
            else:
                distance, kind = self._nearest[key]
                yield _Member(key, root, self._kept[key], kind, distance)
        for pair in self._read_pairs():
            if pair.kind != "exact" or pair.newer in self._parents:
                continue
            group_key = self._root(pair.older) if pair.older in self._parents else pair.older
            if pair.older not in self._parents and pair.older not in firsts:
                firsts.add(pair.older)
                yield _Member(pair.older, pair.older, pair.older_kept, "first", 0)
            yield _Member(pair.newer, group_key, pair.newer_kept, "exact", 0)


def _closeness(pair: DuplicatePair) -> tuple[int, int, str, str]:
    return pair.distance, pair.older_batch, pair.older, pair.newer


def _closest(found: dict[str, DuplicatePair]) -> dict[str, DuplicatePair]:
    return {pair.older: pair for pair in sorted(found.values(), key=_closeness)[:_NEAREST]}


def write_groups(store: Store, pairs: str) -> dict[str, int]:
    """Group the pairs that a job wrote into the directory `pairs`; write the table of groups.

    Returns
    -------
    counts, as in `Grouping`, and `pairs_exact`, the exact pairs read.
    """
    exact = 0

    def read() -> Iterator[DuplicatePair]:
        nonlocal exact
        exact = 0
        for name in store.files(pairs):
            with store.open(name) as file:
                for line in file:
                    pair = DuplicatePair.from_line(line.decode())
                    exact += pair.kind == "exact"
                    yield pair

    grouping = Grouping(read)
    store.write(FILE, (f"{row.to_line()}\n".encode() for row in grouping.rows()))
    names = ("images", "groups", "exact", "near", "leaks", "label_conflicts", "bridges")
    return {**{name: grouping.counts[name] for name in names}, "pairs_exact": exact}


def group_rows(store: Store) -> Iterator[GroupRow]:
    """Yield the images that have duplicates.

    Raises
    ------
    JobError
        If duplicates were not looked for yet.
    """
    for line in _lines(store):
        yield GroupRow.from_line(line)


def load_groups(store: Store, *, move_leaks: bool) -> Groups:
    """Read what a split has to know of an image store's duplicates."""
    return Groups.from_lines(_lines(store), move_leaks=move_leaks)


def _lines(store: Store) -> Iterator[str]:
    if not store.exists(FILE):
        raise JobError(f"{store.uri(FILE)}: duplicates were not looked for yet")
    with store.open(FILE) as file:
        for line in file:
            yield line.decode()

"""The records of duplicates: pairs as the job finds them, and groups, which the split follows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple, Self

from mr_jobs.lib.errors import ConfigError, DataError

NULL = r"\N"
MAX_DISTANCE = 4
WIDEST_DISTANCE = 10  # beyond it unrelated photographs are near each other
LEAK, LABEL_CONFLICT = "leak", "label_conflict"
LEAKED = "leaked"  # the split of images that are neither trained nor tested on
LEAKS = ("move", "keep")


@dataclass(frozen=True)
class DuplicateSettings:
    """The table [duplicates].

    Attributes
    ----------
    near : look for near duplicates, not only for equal bytes.
    max_distance : the largest distance of near duplicates, in bits of 64.
    leaks : `move` train images with a duplicate in val or test out of train, or `keep` them.

    Raises
    ------
    ConfigError
        A value that does not fit; the sentence names it.
    """

    near: bool = True
    max_distance: int = MAX_DISTANCE
    leaks: str = LEAKS[0]

    def __post_init__(self) -> None:
        if not isinstance(self.near, bool):
            raise ConfigError(f"pipeline.toml: [duplicates] near is true or false, not {self.near}")
        distance = self.max_distance
        if type(distance) is not int or not 0 <= distance <= WIDEST_DISTANCE:
            raise ConfigError(
                "pipeline.toml: [duplicates] max_distance is a whole number of bits from 0 to "
                f"{WIDEST_DISTANCE}, not {distance!r}"
            )
        if self.leaks not in LEAKS:
            raise ConfigError(
                f"pipeline.toml: [duplicates] leaks is {' or '.join(LEAKS)}, not {self.leaks!r}"
            )

    @classmethod
    def from_dict(cls, table: Mapping[str, Any]) -> Self:
        """Build settings from the keys of the table; what is missing is default."""
        known = [field.name for field in fields(cls)]
        if unknown := sorted(set(table) - set(known)):
            raise ConfigError(
                f"pipeline.toml: [duplicates] has no {', '.join(unknown)}; "
                f"known: {', '.join(known)}"
            )
        return cls(**table)


def batch_of(bundle: str) -> int:
    """Return the number of the batch that a bundle was made in.

    >>> batch_of("00002-00017.seq")
    2
    """
    number = bundle.partition("-")[0]
    if not number.isdecimal():
        raise DataError(f"not the name of a bundle, <batch>-<part>.seq: {bundle!r}")
    return int(number)


class DuplicatePair(NamedTuple):
    """Two images that are the same; `kind` is `exact` or `near`, `distance` in bits of 64."""

    newer: str
    older: str
    kind: str
    distance: int
    newer_batch: int
    older_batch: int
    newer_kept: bool
    older_kept: bool

    def to_line(self) -> str:
        """Write the pair as tab-separated text."""
        return "\t".join(str(int(f)) if isinstance(f, bool) else str(f) for f in self)

    @classmethod
    def from_line(cls, line: str) -> Self:
        """Read a pair of tab-separated text."""
        fields = line.rstrip("\n").split("\t")
        if len(fields) != len(cls._fields):
            raise DataError(f"not a pair of duplicates: {line!r}")
        newer, older, kind, *numbers = fields
        distance, newer_batch, older_batch, newer_kept, older_kept = map(int, numbers)
        return cls(
            newer, older, kind, distance, newer_batch, older_batch,
            bool(newer_kept), bool(older_kept),
        )  # fmt: skip


class GroupRow(NamedTuple):
    """An image with duplicates; the fields are the columns of the Hive table, in order.

    `group_key` is the key of the group's oldest image; `kind` says how this one came to it:
    `first` (it is the oldest itself), `exact` or `near`, at a `distance` in bits of 64. `problem`
    is `leak`, for a train image of a group with an official val or test image, or
    `label_conflict`, or both with a comma, or None.
    """

    key: str
    group_key: str
    kind: str
    distance: int
    split: str
    wnid: str
    problem: str | None

    def has(self, problem: str) -> bool:
        """Say whether this is one of the image's problems."""
        return problem in (self.problem or "").split(",")

    def to_line(self) -> str:
        r"""Write the row as tab-separated text with `\N` for None."""
        return "\t".join(NULL if field is None else str(field) for field in self)

    @classmethod
    def from_line(cls, line: str) -> Self:
        """Read a row of tab-separated text."""
        fields = line.rstrip("\n").split("\t")
        if len(fields) != len(cls._fields) or not fields[3].isdecimal():
            raise DataError(f"not a row of the duplicates: {line!r}")
        key, group_key, kind, distance, split, wnid, problem = fields
        told = None if problem == NULL else problem
        return cls(key, group_key, kind, int(distance), split, wnid, told)


@dataclass(frozen=True)
class Groups:
    """What a split has to know of duplicates.

    Attributes
    ----------
    group_of : group_key of each image that has duplicates and is not the first of its group.
    leaked : keys of the train images that are taken out because val or test holds the same.
    """

    group_of: Mapping[str, str] = field(default_factory=dict)
    leaked: Set[str] = frozenset()

    @classmethod
    def from_lines(cls, lines: Iterable[str], *, move_leaks: bool) -> Self:
        """Read the rows of a table of `GroupRow`; memory is that of the duplicates."""
        group_of, leaked = {}, set()
        for row in map(GroupRow.from_line, lines):
            if row.key != row.group_key:
                group_of[row.key] = row.group_key
            if move_leaks and row.has(LEAK):
                leaked.add(row.key)
        return cls(group_of, leaked)


NO_GROUPS = Groups()

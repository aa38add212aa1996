"""What an image store holds: which raw sources went into which batch, and how far each batch is.

An ingest makes one batch of what is new; a batch that is complete is never touched again. The
ledger is written after every part that was sent, so that an interrupted ingest goes on there.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal

from mr_jobs.lib.errors import DataError
from pipeline.config import fingerprint
from pipeline.stores import Store

FILE = "ledger.json"
_COUNTERS = ("classes", "refused", "counts", "catalog_counts")
State = Literal["open", "planned", "bundled"]


@dataclass
class Batch:
    """What one ingest adds.

    Attributes
    ----------
    parts : files of raw images sent so far, by name, with the facts of their sources.
    plans : plan files, by name, with their sizes in bytes.
    groups : how many groups of sources are planned.
    classes, refused : counts of train images by wnid, and of refused members by reason.
    counts, catalog_counts : of the bundling and of the cataloguing job.
    catalogued : what its catalogue was made with (`FeatureSpec.decoding`).
    """

    number: int
    state: State = "open"
    parts: dict[str, Any] = field(default_factory=dict)
    plans: dict[str, int] = field(default_factory=dict)
    groups: int = 0
    images: int = 0
    raw_bytes: int = 0
    known: int = 0
    classes: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    catalog_counts: Counter[str] = field(default_factory=Counter)
    catalogued: dict[str, Any] | None = None

    @property
    def name(self) -> str:
        """The number as file names have it."""
        return f"{self.number:05d}"


@dataclass
class Ledger:
    """The raw sources of an image store by their names, with their facts, and its batches."""

    sources: dict[str, object] = field(default_factory=dict)
    batches: list[Batch] = field(default_factory=list)
    root: str = ""  # of the data set
    tables: str = ""  # fingerprint of what boxes/ and synsets/ were made from

    @classmethod
    def load(cls, store: Store) -> Ledger:
        """Read the ledger; an empty one if there is none."""
        if not store.exists(FILE):
            return cls()
        with store.open(FILE) as file:
            text = file.read()
        try:
            told = json.loads(text)
            batches = [Batch(**batch) for batch in told["batches"]]
            for batch in batches:
                for name in _COUNTERS:
                    setattr(batch, name, Counter(getattr(batch, name)))
            return cls(told["sources"], batches, told["root"], told["tables"])
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise DataError(
                f"{store.uri(FILE)}: not the ledger of an image store ({error})"
            ) from error

    def save(self, store: Store) -> None:
        """Write the ledger, whole or not at all."""
        told = {**vars(self), "batches": [vars(batch) for batch in self.batches]}
        store.write(FILE, [json.dumps(told, separators=(",", ":")).encode()])

    def open_batch(self) -> Batch:
        """Return the batch that an interrupted ingest left, or a new one."""
        if not self.batches or self.batches[-1].state != "open":
            self.batches.append(Batch(len(self.batches)))
        return self.batches[-1]

    def fingerprint(self) -> str:
        """Return what changes when images or annotations were added."""
        return fingerprint([self.sources, self.tables])

    def tables_of(self, annotation_facts: object) -> str:
        """Return what `tables` is when the tables are made of these annotations."""
        return fingerprint([annotation_facts, sorted(self.counted("classes"))])

    def total(self, what: str) -> int:
        """Add up a figure of all batches."""
        return sum(getattr(batch, what) for batch in self.batches)

    def counted(self, what: str) -> Counter[str]:
        """Add up a counter of all batches."""
        return sum((getattr(batch, what) for batch in self.batches), Counter[str]())

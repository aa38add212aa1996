"""The base of the summing jobs that read vectors, block by block: those that train, mostly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mr_jobs.lib.errors import DataError
from mr_jobs.lib.records import ShardKey, decode_vector, require_one_tag
from mr_jobs.summing_job import SummingJob

INNER, HELD_OUT = "inner", "held_out"
PARTS = (INNER, HELD_OUT)
TAG = "tag/"  # before the name of the sum that counts the records with a tag
BLOCK_ROWS = 512
Sum = tuple[str, NDArray[np.float64]]


class VectorsJob(SummingJob):
    """A job that adds up something of float32 vectors.

    With `--classes` its input is shards, of which it takes the train images: `inner` ones, and
    those `held_out` for choosing among models. Else it is any vectors, or matrices of
    `--row-length` numbers a row, all of one class; all are `inner`. A subclass gives `add_block`
    and `part_sums`.
    Counted are images/read = images/inner + images/held_out.
    """

    def configure_args(self) -> None:
        """Say which vectors there are."""
        super().configure_args()
        self.add_file_arg(
            "--classes",
            default=None,
            metavar="FILE",
            help="read shards; the model's synsets, a wnid a line in the order of class_index",
        )
        self.add_passthru_arg(
            "--held-out-from",
            type=float,
            default=1.0,
            metavar="PLACE",
            help="train images with this place or a higher one are held out (default: none)",
        )
        self.add_passthru_arg(
            "--part", choices=PARTS, default=None, help="use these vectors only (default: all)"
        )
        self.add_passthru_arg(
            "--row-length",
            type=int,
            default=None,
            metavar="N",
            help="a value is a matrix with rows of N numbers (default: one row)",
        )
        self.add_passthru_arg(
            "--key-prefix",
            default="",
            metavar="TEXT",
            help="without --classes: use records whose key begins so (default: all)",
        )

    def mapper_init(self) -> None:
        """Read the classes, and begin with an empty block."""
        super().mapper_init()
        self.class_index = self._read_classes()
        self.n_features: int | None = self.options.row_length
        self._tags: Counter[str] = Counter()
        self._part = INNER
        self._begun = False
        self._begin_block()

    @property
    def n_classes(self) -> int:
        """The number of classes."""
        return max(len(self.class_index), 1)

    def image_key(self, key: str) -> str:
        """Return the key of a record's image."""
        return str(ShardKey.parse(key).image) if self.class_index else key

    def add_block(self, part: str, vectors: NDArray[np.float32], y: NDArray[np.int64]) -> None:
        """Add finite vectors, float32 of shape (n, n_features), of the classes `y`, (n,)."""
        raise NotImplementedError

    def part_sums(self, part: str) -> Iterable[Sum]:
        """Yield the sums over the blocks of a part, and begin anew."""
        raise NotImplementedError

    def add(self, key: str, value: bytes) -> None:
        """Put a record into the block at hand."""
        part, label = INNER, 0
        if self.class_index:
            if not key.startswith("train\t"):
                return
            part, label = self._place_and_label(ShardKey.parse(key))
        elif not key.startswith(self.options.key_prefix):
            return
        self.count("read")
        self.count(part)
        if self.options.part not in (None, part):
            return
        rows = self._rows(key, value)
        if part != self._part:  # shards are sorted by place, so it happens once
            self._end_part()
            self._part = part
        self._rows_at_hand.append(rows)
        self._labels.extend([label] * len(rows))
        if len(self._labels) >= BLOCK_ROWS:
            self._end_block()

    def totals(self) -> Iterator[Sum]:
        """Yield the sums of the last part, and how many records had which tag."""
        self._end_part()
        for tag, n in self._tags.items():
            yield f"{TAG}{tag}", np.array([float(n)])

    def _place_and_label(self, key: ShardKey) -> tuple[str, int]:
        self._tags[key.tag] += 1
        require_one_tag(self._tags)
        label = self.class_index.get(key.image.wnid)
        if label is None:
            raise DataError(f"the training image {key.image} is of none of the model's synsets")
        return PARTS[key.place >= self.options.held_out_from], label

    def _rows(self, key: str, value: bytes) -> NDArray[np.float32]:
        """Read and check a value: float32 of shape (n, n_features)."""
        try:
            rows = decode_vector(value)
            rows = rows.reshape(-1, self.options.row_length or rows.size)
        except ValueError as error:
            raise DataError(
                f"the value of {self.image_key(key)} is not a vector ({error})"
            ) from error
        self.n_features = self.n_features or rows.shape[1]
        if rows.shape[1] != self.n_features:
            raise DataError(
                f"the vector of {self.image_key(key)} has {rows.shape[1]} numbers where the first "
                f"has {self.n_features}; extract the features of all images with the same "
                "parameters"
            )
        if not np.isfinite(rows).all():
            raise DataError(
                f"the vector of {self.image_key(key)} holds NaN or infinity; extract the features "
                "anew"
            )
        return rows

    def _begin_block(self) -> None:
        self._rows_at_hand: list[NDArray[np.float32]] = []
        self._labels: list[int] = []

    def _end_block(self) -> None:
        if self._labels:
            self._begun = True
            vectors = np.concatenate(self._rows_at_hand)
            self.add_block(self._part, vectors, np.array(self._labels, np.int64))
        self._begin_block()

    def _end_part(self) -> None:
        self._end_block()
        if self._begun:
            for name, array in self.part_sums(self._part):
                self.emit(name, array)
        self._begun = False

    def _read_classes(self) -> dict[str, int]:
        if self.options.classes is None:
            return {}
        with Path(self.options.classes).open(encoding="utf-8") as lines:  # only \n ends a name
            wnids = [line.rstrip("\n") for line in lines]
        if len(set(wnids)) != len(wnids) or not wnids:
            raise DataError(f"{self.options.classes}: is not a list of different synsets")
        return {wnid: index for index, wnid in enumerate(wnids)}

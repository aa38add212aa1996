"""The records of shards as rows, for programs that hand over records themselves, such as Spark."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mr_jobs.lib.errors import DataError
from mr_jobs.lib.records import ShardKey, decode_vector, require_one_tag
from mr_jobs.lib.scores import best_classes
from mr_jobs.lib.selection import Selection

Row = tuple[str, float, float, "array[float]"]


@dataclass(frozen=True)
class ShardRows:
    """Turns a partition's records into rows; it can be sent to other processes.

    Parameters
    ----------
    split : train or val; records of others are passed over.
    class_index : by wnid.
    selection : the images that are wanted; None: all.
    """

    split: str
    class_index: dict[str, int]
    selection: Selection | None

    def __call__(self, records: Iterable[tuple[Any, Any]]) -> Iterator[Row]:
        """Yield (image key, place, class_index, numbers); that of an unknown synset is 0.

        Raises
        ------
        DataError
            A record is no finite vector with its key, is of another run, or is to be trained on and
            of none of the synsets.
        """
        prefix, tags = f"{self.split}\t", set()
        for raw_key, value in records:
            text = raw_key if isinstance(raw_key, str) else bytes(raw_key).decode()
            if not text.startswith(prefix):
                continue
            key = ShardKey.parse(text)
            tags.add(key.tag)
            require_one_tag(tags)
            image = str(key.image)
            if self.selection is not None and image not in self.selection:
                continue
            if not np.isfinite(decode_vector(bytes(value))).all():
                raise DataError(f"shards: the vector of {image} holds NaN or infinity")
            label = self.class_index.get(key.image.wnid)
            if label is None and self.split == "train":
                raise DataError(f"the training image {image} is of none of the model's synsets")
            # an array goes to Java as its bytes, a list number by number
            yield image, key.place, float(label or 0), array("f", bytes(value))


@dataclass(frozen=True)
class BestOf:
    """Ranks the classes of a partition's rows; it can be sent to other processes.

    Parameters
    ----------
    classes : the wnids in the order of class_index.
    top_k : how many best ones are wanted.
    """

    classes: Sequence[str]
    top_k: int

    def __call__(self, rows: Iterable[Any]) -> Iterator[tuple[str, list[tuple[str, float]]]]:
        """Yield (image key, its best (wnid, score), best first) of rows `key, probability`."""
        for row in rows:
            scores = row.probability.toArray()
            best = best_classes(scores[np.newaxis], self.top_k)[0]
            yield row.key, [(self.classes[index], float(scores[index])) for index in best]

"""Read the predictions of a run, an image at a time."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from mr_jobs.lib.imagenet import ImageKey


class Prediction(NamedTuple):
    """The best classes of an image, best first: (wnid, score)."""

    key: ImageKey
    best: tuple[tuple[str, float], ...]


def read_predictions(path: Path) -> Iterator[Prediction]:
    """Yield the images of a split in the order of the file, which is that of file names.

    Parameters
    ----------
    path : rows `image_id split key wnid rank predicted score`, tab separated: what the table
        `predictions` of the index is filled from. Only the rows of one image are in memory.
    """
    with path.open(encoding="utf-8", newline="\n") as lines:
        rows = (line.rstrip("\n").split("\t") for line in lines)
        for key, of_image in groupby(rows, key=lambda row: row[2]):
            best = tuple((row[5], float(row[6])) for row in of_image)
            yield Prediction(ImageKey.parse(key), best)

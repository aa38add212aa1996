"""Read predictions.tsv of a saved run, one image at a time."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from mr_jobs.lib.errors import DataError
from mr_jobs.lib.imagenet import UNLABELLED
from mr_jobs.lib.plain_files import plain_lines

FILE = "predictions.tsv"
_HEAD = ["image_id", "image_key", "wnid"]


class Predicted(NamedTuple):
    """An image, its true synset, and the model's best synsets with their scores, best first."""

    image_id: str
    key: str
    wnid: str
    best: tuple[tuple[str, float], ...]

    @property
    def top1_error(self) -> bool:
        """Say whether the best synset is wrong."""
        return self.wnid != self.best[0][0]

    @property
    def topk_error(self) -> bool:
        """Say whether none of the best synsets is right."""
        return all(self.wnid != wnid for wnid, _ in self.best)


def labelled(run_dir: Path) -> Iterator[Predicted]:
    """Yield the predictions of the validation images that have a label, sorted by image_id.

    Raises
    ------
    DataError
        The file is missing, or is no such table.
    """
    path = run_dir / FILE
    try:
        lines = plain_lines(path)
        if next(lines, "").split("\t")[:3] != _HEAD:
            raise DataError(f"{path}: not a table of predictions; train the model anew")
        for line in lines:
            row = _row(line, path)
            if row.wnid != UNLABELLED:
                yield row
    except OSError as error:
        raise DataError(
            f"{path} cannot be read ({error.strerror}); train the model anew"
        ) from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is not UTF-8; train the model anew") from error


def _row(line: str, path: Path) -> Predicted:
    fields = line.rstrip("\n").split("\t")
    try:
        scores = [float(field) for field in fields[4::2]]
        best = tuple(zip(fields[3::2], scores, strict=True))
        if not best:
            raise ValueError
    except ValueError as error:
        raise DataError(f"{path}: not a row of predictions: {line[:200]!r}") from error
    return Predicted(fields[0], fields[1], fields[2], best)


def most_confident_mistakes(run_dir: Path, n: int) -> list[Predicted]:
    """Return the n wrong images with the highest scores, highest first; of equals by key."""
    wrong = (row for row in labelled(run_dir) if row.top1_error)
    return heapq.nsmallest(n, wrong, key=lambda row: (-row.best[0][1], row.key))


def confusion(run_dir: Path) -> Counter[tuple[str, str]]:
    """Count the images by (true wnid, best wnid), right ones too."""
    return Counter((row.wnid, row.best[0][0]) for row in labelled(run_dir))

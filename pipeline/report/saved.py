"""A saved run, as its directory tells it: what the page and the comparison are made from."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from mr_jobs.lib.errors import DataError
from mr_jobs.lib.plain_files import parse_json, plain_lines, read_plain
from pipeline.report import predictions

IMAGES_FILE = "report_images.json"
DAMAGE = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, csv.Error)
_MAX_JSON_BYTES = 64 << 20
_CONFUSION = "confusion.tsv"


class SynsetRow(NamedTuple):
    """A synset of the validation images, and how many of them are errors."""

    wnid: str
    words: str
    n_images: int
    n_top1_errors: int
    n_topk_errors: int

    @property
    def top1_error(self) -> float:
        """The share of its images whose best synset is wrong."""
        return self.n_top1_errors / self.n_images


@dataclass(frozen=True)
class SavedRun:
    """The tables of a saved run.

    Attributes
    ----------
    path : its directory.
    metrics, manifest, model : of metrics.json, manifest.json and model.json.
    synsets : of synsets.tsv, by wnid.
    images : of report_images.json; empty for a run that was saved without one.
    """

    path: Path
    metrics: dict[str, Any]
    manifest: dict[str, Any]
    model: dict[str, Any]
    synsets: list[SynsetRow]
    images: dict[str, Any]

    @classmethod
    def load(cls, path: Path) -> SavedRun:
        """Read the directory of a saved run.

        Raises
        ------
        DataError
            It is none, or a file in it is damaged.
        """
        try:
            metrics, manifest, model = (
                _read(path / f"{name}.json") for name in ("metrics", "manifest", "model")
            )
            images = _read(path / IMAGES_FILE) if (path / IMAGES_FILE).exists() else {}
            synsets = [
                SynsetRow(wnid, words, int(n), int(top1), int(topk))
                for wnid, words, n, top1, topk in _table(path / "synsets.tsv")
            ]
        except OSError as error:
            raise DataError(
                f"{path} is not a saved run ({Path(error.filename or path).name}: "
                f"{error.strerror}); list them with `bin/pipeline runs`"
            ) from error
        except DAMAGE as error:
            raise damaged(path, error) from error
        return cls(path, metrics, manifest, model, synsets, images)

    @property
    def run_id(self) -> str:
        """The run's id."""
        return str(self.metrics.get("run_id"))

    @property
    def top_k(self) -> int:
        """How many best synsets count."""
        return int(self.model["top_k"])

    @property
    def features(self) -> list[str]:
        """The features that the model uses; empty for a run of older code."""
        parameters = self.manifest["parameters"].get("features", {})
        return list(self.metrics["model"].get("features") or parameters.get("features", []))

    @property
    def gives_probabilities(self) -> bool:
        """Whether scores are probabilities."""
        return str(self.model.get("scores", "")).startswith("posterior")

    @cached_property
    def wnids(self) -> list[str]:
        """The synsets of the model, in the order of class_index."""
        return [each["wnid"] for each in self.model["classes"]]

    @cached_property
    def words(self) -> dict[str, str]:
        """Words by wnid, those of synsets without training images, too."""
        of_val = {row.wnid: row.words for row in self.synsets}
        return of_val | {str(each["wnid"]): str(each["words"]) for each in self.model["classes"]}

    def worst_first(self) -> list[SynsetRow]:
        """Return the synsets by their top-1 error, the highest first; of equals by wnid."""
        return sorted(self.synsets, key=lambda row: (-row.top1_error, row.wnid))

    @cached_property
    def confusion(self) -> Counter[tuple[str, str]]:
        """Images by (true wnid, best wnid), right ones too."""
        path = self.path / _CONFUSION
        if not path.exists():  # saved by older code
            return predictions.confusion(self.path)
        return Counter({(true, best): int(n) for true, best, n in _table(path)})

    def most_confused(self, n: int) -> list[tuple[str, str, int]]:
        """Return the n most frequent errors: (true wnid, best wnid, images), most first."""
        errors = [(*pair, count) for pair, count in self.confusion.items() if pair[0] != pair[1]]
        return sorted(errors, key=lambda row: (-row[2], row[:2]))[:n]


def damaged(path: Path, error: Exception) -> DataError:
    """Make the error of a saved run whose files are not what a run's are."""
    told = f"{type(error).__name__}: {error}".partition("\n")[0]
    return DataError(f"{path}: a table of it is damaged ({told:.200}); train the model anew")


def _read(path: Path) -> dict[str, Any]:
    value = parse_json(read_plain(path, _MAX_JSON_BYTES))
    if not isinstance(value, dict):
        raise TypeError(path)
    return value


def _table(path: Path) -> Iterator[list[str]]:
    """Yield the rows of a tab-separated table but its header."""
    lines = plain_lines(path)
    next(lines, None)
    yield from csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)

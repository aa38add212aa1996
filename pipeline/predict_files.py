"""Predict image files in this process, and write what comes of it while it is made."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from models.predict import ImagePrediction, Served, predict
from models.report import prediction_lines, printable
from mr_jobs.lib.errors import ConfigError, DataError, IncompleteError
from mr_jobs.lib.imagenet import UNLABELLED, ImageKey
from mr_jobs.lib.shown import shown
from pipeline.image_files import image_files
from pipeline.progress import Progress


def run(args: Namespace, served: Served) -> dict[str, Any]:
    """Predict what `args.paths` name; see `predict_command.run`."""
    image_files(args.paths)  # refuses at once what cannot be
    files = _Files(served, args.paths, top_k_of(served, args))
    if args.output:
        with new_table(args.output) as (file, place):
            file.writelines(f"{line}\n" for line in files.told(files.table()))
            return files.result({"output": str(place)})
    if args.json:
        predictions = [each._asdict() for each in files.predictions()]
        return files.result({"predictions": predictions, "output": None})
    if args.tsv:
        return {"lines": files.told(files.table())}
    files = _Files(served, args.paths, args.top_k or 1)
    return {"lines": files.told(map(as_line, files.predictions()))}


def top_k_of(served: Served, args: Namespace) -> int:
    """Return how many names a table has: what is asked for, but no more than there are."""
    return min(int(args.top_k or served.info["top_k"]), len(served.info["classes"]))


class _Files:
    """Predictions of image files, to be read once, and the count of them."""

    def __init__(self, served: Served, paths: Sequence[str], top_k: int) -> None:
        self._served, self._paths, self._top_k = served, paths, top_k
        self._predicted = 0
        self._not_used: Counter[str] = Counter()

    def predictions(self) -> Iterator[ImagePrediction]:
        n_files = sum(1 for _ in image_files(self._paths))
        with Progress("predict", bar=False) as progress:
            found = predict(self._served, image_files(self._paths), self._top_k)
            for n_done, each in enumerate(found, start=1):
                if each.error:
                    self._not_used[each.error.partition(":")[0]] += 1
                else:
                    self._predicted += 1
                yield each
                progress.update(n_done, n_files)

    def table(self) -> Iterator[str]:
        """Yield the lines of a table; the images that are not in it are named on standard error."""
        yield from prediction_lines((), self._top_k)
        for each in self.predictions():
            if each.error:
                _note(as_line(each))
            else:
                yield _row(each)

    def told(self, lines: Iterator[str]) -> Iterator[str]:
        """Pass lines on, and count on standard error at their end."""
        yield from lines
        require_some(self._predicted, self._not_used)
        _note(summary(self._predicted, self._not_used))

    def result(self, found: dict[str, Any]) -> dict[str, Any]:
        result = {"predicted": self._predicted, "not_used": dict(self._not_used), **found}
        try:
            require_some(self._predicted, self._not_used)
        except DataError as error:
            if "predictions" in found:  # they say why
                raise IncompleteError(str(error), result) from error
            raise
        return result


def require_some(n_predicted: int, not_used: Mapping[str, int]) -> None:
    """Raise a DataError if no image was predicted."""
    if not n_predicted:
        raise DataError(f"none of the images could be used ({_reasons(not_used) or 'none given'})")


def summary(n_predicted: int, not_used: Mapping[str, int]) -> str:
    """Say how many images were predicted, and how many not, by reason.

    >>> summary(2, {"empty": 1, "not_an_image": 3})
    '2 predicted, 4 not used (1 empty, 3 not_an_image)'
    """
    told = f"{n_predicted} predicted"
    n_not_used = sum(not_used.values())
    return told + (f", {n_not_used} not used ({_reasons(not_used)})" if n_not_used else "")


def _reasons(not_used: Mapping[str, int]) -> str:
    return ", ".join(f"{n} {printable(reason)}" for reason, n in not_used.items())


def _note(text: str) -> None:
    print(f"predict: {shown(text)}", file=sys.stderr)  # noqa: T201


def as_line(prediction: ImagePrediction) -> str:
    """Write a prediction for people, in one line."""
    name = printable(prediction.path)
    if prediction.error:
        return f"{name}: not used, {printable(prediction.error)}"
    named = (
        f"{score:.4g} {wnid}" + (f" {printable(words)}" if words != wnid else "")
        for wnid, words, score in prediction.best
    )
    return f"{name}: {'; '.join(named)}"


def _row(prediction: ImagePrediction) -> str:
    """Write a row of the table; the key is the path, and nobody says what is on the image."""
    image_id = ImageKey("", "", Path(prediction.path).name).image_id
    fields = [image_id, prediction.path, UNLABELLED]
    for wnid, _, score in prediction.best:
        fields += [wnid, f"{score:.6g}"]
    return "\t".join(map(printable, fields))


@contextmanager
def new_table(path: Path) -> Iterator[tuple[TextIO, Path]]:
    """Open a new file, or predictions.tsv in a directory; it has its name once it is whole.

    Raises
    ------
    ConfigError
        If it is there already, or cannot be written.
    """
    place = path / "predictions.tsv" if path.is_dir() else path
    if place.exists() or place.is_symlink():
        raise ConfigError(f"{place} is there already; name another file, or remove it")
    part = place.with_name(f".{place.name}.part")
    try:
        part.unlink(missing_ok=True)  # of a run that was killed; a link there would be followed
        file = part.open("x", encoding="utf-8", newline="\n")
    except OSError as error:
        raise ConfigError(f"{place} cannot be written ({error.strerror})") from error
    try:
        with file:
            yield file, place
        part.rename(place)
    finally:
        part.unlink(missing_ok=True)

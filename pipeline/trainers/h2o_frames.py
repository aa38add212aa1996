"""Bring the vectors of a run into H2O, and its predictions out; a block or a line is in memory."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from mr_jobs.lib.errors import JobError
from mr_jobs.lib.imagenet import ImageKey
from mr_jobs.lib.records import require_one_tag
from pipeline.trainers.base import Task
from pipeline.trainers.h2o_avro import VectorWriter

LABEL, HELD_OUT, ROW = "label", "held_out", "row"  # the columns beside the vectors
_BUFFER_BYTES = 1 << 20


@dataclass
class Written:
    """Vectors in files that H2O reads.

    Attributes
    ----------
    train, val : the files; the columns of train are `LABEL` (class_index), `HELD_OUT` (0 or 1) and
        the values, those of val `ROW`, which counts from 0, and the values.
    keys : of the val images, in the order of `ROW`.
    n_features : length of a vector.
    parts : (class_index, held out) to the number of training images.
    """

    train: Path
    val: Path
    keys: list[ImageKey] = field(default_factory=list)
    n_features: int = 0
    parts: Counter[tuple[int, bool]] = field(default_factory=Counter)

    @property
    def n_train(self) -> int:
        """How many images there are to train on."""
        return sum(self.parts.values())

    def n_of(self, *, held_out: bool) -> int:
        """How many training images are held out, or are not."""
        return sum(n for (_, is_held), n in self.parts.items() if is_held is held_out)

    def classes_of(self, *, held_out: bool) -> set[int]:
        """Return the classes of the training images that are held out, or are not."""
        return {label for (label, is_held) in self.parts if is_held is held_out}


def write(task: Task, folder: Path) -> Written:
    """Write the shards' vectors as files in a folder, which is made.

    Raises
    ------
    DataError
        A vector is damaged, or the shards are of different runs.
    """
    folder.mkdir(parents=True)
    written = Written(folder / "train.avro", folder / "val.avro")
    tags: set[str] = set()
    with written.train.open("wb", _BUFFER_BYTES) as file:
        _write_train(task, written, file, tags)
    if task.n_val:
        with written.val.open("wb", _BUFFER_BYTES) as file:
            _write_val(task, written, file, tags)
    require_one_tag(tags)
    return written


def _write_train(task: Task, written: Written, file: BinaryIO, tags: set[str]) -> None:
    class_index = {wnid: index for index, wnid in enumerate(task.classes)}
    records = task.records("train")
    for writer, key, vector in _with_writer(file, [LABEL, HELD_OUT], records, written):
        label, held_out = class_index[key.image.wnid], key.place >= task.held_out_from
        writer.append([label, int(held_out)], vector, key.image)
        written.parts[label, held_out] += 1
        tags.add(key.tag)


def _write_val(task: Task, written: Written, file: BinaryIO, tags: set[str]) -> None:
    for writer, key, vector in _with_writer(file, [ROW], task.records("val"), written):
        writer.append([len(written.keys)], vector, key.image)
        written.keys.append(key.image)
        tags.add(key.tag)


def _with_writer(
    file: BinaryIO, integers: list[str], records: Iterator[Any], written: Written
) -> Iterator[tuple[VectorWriter, Any, NDArray[np.float32]]]:
    """Yield a writer with every record; the first vector's length is what all have to have."""
    writer: VectorWriter | None = None
    for key, vector in records:
        written.n_features = written.n_features or vector.size
        if writer is None:
            writer = VectorWriter(file, integers, written.n_features)
        yield writer, key, vector
    if writer is not None:
        writer.end()


def load(path: Path, n_rows: int) -> Any:  # noqa: ANN401  # h2o has no types
    """Have the server read a file; return the H2OFrame.

    Raises
    ------
    JobError
        Not all rows arrived: H2O passes over what it cannot read, and says nothing.
    """
    import h2o

    frame = h2o.import_file(str(path))
    path.unlink()  # what is in the server's memory is not needed twice
    if frame.nrow != n_rows:
        raise JobError(
            f"H2O read {frame.nrow} of the {n_rows} vectors of {path.name}; run the same command "
            "again, and if it happens again choose other features in pipeline.toml"
        )
    return frame


def fetch(frame: Any, path: Path) -> Iterator[list[str]]:  # noqa: ANN401  # h2o has no types
    """Yield the rows of an H2OFrame as texts, without the header; they pass through a file."""
    import h2o

    h2o.download_csv(frame, str(path))
    with path.open(encoding="utf-8", newline="") as lines:
        rows = csv.reader(lines)
        next(rows)
        yield from rows
    path.unlink()

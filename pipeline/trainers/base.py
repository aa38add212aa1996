"""What a trainer is: it learns from the train shards of a run, and predicts the val ones.

A trainer is a name, what it needs, and one function, which is given a `Task` and returns an
`Outcome`. It runs in a process of its own, whose memory is measured from outside, and imports what
belongs to an extra inside its functions only. All else is done for it: errors, tables, files.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.predictions import Prediction
from mr_jobs.lib.errors import DataError
from mr_jobs.lib.records import ShardKey, decode_vector
from mr_jobs.lib.selection import Selection
from mr_jobs.lib.sequencefile import Reader
from pipeline import selecting
from pipeline.cluster import Cluster
from pipeline.division import held_out_place
from pipeline.progress import Progress
from pipeline.split_step import SPLIT
from pipeline.step import Context, counts_of
from pipeline.train_step import classes_of

Record = tuple[ShardKey, NDArray[np.float32]]
START, TRAIN, PREDICT = "start", "train", "predict"  # what a trainer's seconds are spent on


@dataclass
class Task:
    """What a trainer has to do.

    Attributes
    ----------
    context : of the run: its settings and its store, where the shards are.
    folder : where the trainer leaves its model's files; it is there.
    progress : for notes to the user.
    name : the trainer's.
    seconds : what `timed` measured.
    """

    context: Context
    folder: Path
    progress: Progress
    name: str
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def cluster(self) -> Cluster | None:
        """The cluster whose HDFS holds the shards; None: they are on the local disk."""
        return self.context.cluster

    @property
    def application(self) -> str:
        """The name of what the trainer starts on YARN: by it, its memory is found."""
        return application_of(self.context.run.run_id, self.name)

    @property
    def top_k(self) -> int:
        """How many best classes of an image count."""
        return self.context.config.model.top_k

    @cached_property
    def classes(self) -> list[str]:
        """The wnids in the order of class_index."""
        return self._classes[0]

    @cached_property
    def n_train(self) -> int:
        """How many images are to be trained on, the held-out ones among them."""
        return self._classes[1]

    @cached_property
    def _classes(self) -> tuple[list[str], int]:
        return classes_of(self.context)

    @cached_property
    def n_val(self) -> int:
        """How many images are to be predicted, those without a label, too."""
        return counts_of(SPLIT, self.context).get("val", 0)

    @cached_property
    def held_out_from(self) -> float:
        """The place (`ShardKey.place`) from which train images are for choosing among models."""
        return held_out_place(self.context)

    @cached_property
    def selection(self) -> Selection | None:
        """The images that the run's conditions left to train on; None: all of the train shards."""
        if "train" not in self.context.run.where:
            return None
        return selecting.left_after(self.context, "train")

    @property
    def shard_uris(self) -> list[str]:
        """The shards: SequenceFiles of (Text of a `ShardKey`, float32 vector, little-endian)."""
        store = self.context.store
        return [store.uri(name) for name in store.files(SPLIT.makes)]

    def records(self, split: str) -> Iterator[Record]:
        """Yield the images of a split, train or val, shard by shard, without those not selected.

        Raises
        ------
        DataError
            A record is not a vector with its key.
        """
        store, prefix = self.context.store, f"{split}\t".encode()
        selection = self.selection if split == "train" else None
        for name in store.files(SPLIT.makes):
            with store.open(name) as file:
                for record in Reader(file, store.uri(name)).records():
                    key, value = as_bytes(record.key), as_bytes(record.value)
                    if not key.startswith(prefix):
                        continue
                    shard_key = ShardKey.parse(key.decode(errors="backslashreplace"))
                    if selection is None or str(shard_key.image) in selection:
                        yield shard_key, decode_vector(value)

    @contextmanager
    def timed(self, phase: str) -> Iterator[None]:
        """Add the seconds of a phase, `START`, `TRAIN` or `PREDICT`, to those of its name."""
        began = time.monotonic()
        try:
            yield
        finally:
            spent = time.monotonic() - began
            self.seconds[phase] = round(self.seconds.get(phase, 0.0) + spent, 2)


@dataclass(frozen=True)
class Outcome:
    """What a trainer came to.

    Parameters
    ----------
    predictions : of every val image once, in any order, with its `top_k` best wnids, best first
        (all of them where there are fewer).
    n_train_images : how many images it was trained on; has to be `Task.n_train`.
    n_features : length of a vector.
    parameters : how the model was made, as plain JSON values.
    versions : of the programs it was made with.
    warnings : sentences for the user.
    """

    predictions: list[Prediction]
    n_train_images: int
    n_features: int
    parameters: dict[str, Any]
    versions: dict[str, str]
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Trainer:
    """A way to train.

    Parameters
    ----------
    name : as on the command line and in the path of its results.
    help : a line for people.
    extra : of `pipeline.extras`, which has to be installed; None: none.
    run : does it; its errors are those of `mr_jobs.lib.errors`.
    """

    name: str
    help: str
    extra: str | None
    run: Callable[[Task], Outcome]


def application_of(run_id: str, trainer: str) -> str:
    """Return what the name on YARN of everything that a trainer starts begins with.

    The jobs of a run are named so, too: who destroys or goes on with a run ends what is left.
    """
    return f"{run_id} {trainer}"


def best_of(wnids: list[str], scores: NDArray[np.floating[Any]], top_k: int) -> list[Any]:
    """Return (wnid, score) of the best classes of an image, best first; of equals the lower first.

    Parameters
    ----------
    wnids : the classes, in the order of the scores.
    scores : of shape (n_classes,).

    >>> best_of(["n01", "n02", "n03"], np.array([0.2, 0.5, 0.5]), 2)
    [('n02', 0.5), ('n03', 0.5)]
    """
    order = np.argsort(-scores, kind="stable")[:top_k]
    return [(wnids[index], float(scores[index])) for index in order]


def as_bytes(value: object) -> bytes:
    """Return a key or a vector of a shard as bytes; a Text is a string to the reader."""
    if isinstance(value, str):
        return value.encode()
    if not isinstance(value, bytes):
        raise DataError(f"shards: {value!r} is neither a key nor a vector; these are no shards")
    return value

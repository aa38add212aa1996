r"""Score the images of val and test with a model, and count what it gets right.

Input    shards: SequenceFiles of (split, place, image key, tag), tab separated -> float32 vector
Output   text, tab separated, each part sorted:
         row <split> <file name> <image key> <wnid> <score> <wnid> <score> …, best first
         sum <name> … <numbers>, see mr_jobs.lib.tally
Counted  images/read = images/val + images/test + images/other

The model is a scikit-learn pipeline in a file of arrays (`mr_jobs.model_file`), whose classes are
wnids. A score is LDA's posterior probability, or another model's decision value. With `--tree FILE`
of lines `parent child` it is counted, too, how far off the guesses are (mr_jobs.lib.hierarchy).

    python mr_jobs/mr_evaluate_model.py --model model.npz shards/part-* > evaluation.tsv
    python mr_jobs/mr_evaluate_model.py -r hadoop --model model.npz hdfs:///shards
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from mrjob.protocol import RawProtocol
from mrjob.step import MRStep
from numpy.typing import NDArray

from mr_jobs.job import BundleInput, bundle_step
from mr_jobs.lib.errors import DataError
from mr_jobs.lib.hierarchy import SynsetTree
from mr_jobs.lib.imagenet import UNLABELLED, ImageKey
from mr_jobs.lib.records import ShardKey, decode_vector, require_one_tag
from mr_jobs.lib.scores import (
    best_classes,
    gives_probabilities,
    require_features,
    shown_scores,
)
from mr_jobs.lib.tally import Tally, read_numbers
from mr_jobs.model_file import load_model
from mr_jobs.model_option import ModelOption
from mr_jobs.scoring import BLOCK_ROWS, new_block, score_block

_SPLITS = ("val", "test")
_ROW, _SUM = "row", "sum"
_SEPARATOR = "\x1f"  # in the shuffle, whose keys end at the first tab


class MREvaluateModel(ModelOption, BundleInput):
    """Map: block of vectors -> rows, and the task's sums at its end. Reduce: add the sums."""

    RECORDS_WORTH_A_TASK = 20_000  # vectors are read in a fraction of the time of images
    INTERNAL_PROTOCOL = RawProtocol
    OUTPUT_PROTOCOL = RawProtocol

    def configure_args(self) -> None:
        super().configure_args()
        self.add_file_arg(
            "--tree", default=None, metavar="FILE", help="the synset tree (default: there is none)"
        )

    def steps(self) -> list[MRStep]:
        return [
            bundle_step(
                mapper_init=self.mapper_init,
                mapper=self.mapper,
                mapper_final=self.mapper_final,
                reducer=self.reducer,
                bundle_input=True,
            )
        ]

    def mapper_init(self) -> None:
        super().mapper_init()
        self._tally = Tally()
        self._model: Any = None  # loaded for the first image to score: most tasks have none
        self._block: list[tuple[str, ImageKey]] = []
        self._seen = dict.fromkeys((*_SPLITS, "other"), 0)
        self._tag: str | None = None

    def mapper(self, key: str, vector: bytes) -> Iterator[tuple[str, str]]:
        """Yield (what, text), see the module; a block of images at a time."""
        split, _, image, tag = ShardKey.parse(key)
        self._tag = self._tag or tag
        if tag != self._tag:
            require_one_tag((self._tag, tag))
        self.count("read")
        self._seen[split if split in _SPLITS else "other"] += 1
        if split not in _SPLITS:
            return
        self._take(image, vector)
        self._block.append((split, image))
        if len(self._block) == BLOCK_ROWS:
            yield from self._scored()

    def mapper_final(self) -> Iterator[tuple[str, str]]:
        """Yield the last rows, and the sums."""
        yield from self._scored()
        for name, n in self._seen.items():
            self.count(name, n)
            if n and self._tag is not None:
                self._tally.add(("all", "tag", self._tag), (n,))
        for names, numbers in self._tally.lines():
            yield _SEPARATOR.join((_SUM, *names)), numbers

    def reducer(self, name: str, values: Iterator[str]) -> Iterator[tuple[str, str]]:
        """Pass a row, or add up a sum."""
        kind, *names = name.split(_SEPARATOR)
        if kind == _ROW:
            labels, *others = values
            if others:
                raise DataError(
                    f"shards: {names[-1]} comes twice; make them anew with `bin/pipeline split`"
                )
            yield _ROW, "\t".join([*names, labels])
            return
        total = Tally()
        for numbers in values:
            total.add(tuple(names), read_numbers(numbers))
        for _, numbers in total.lines():
            yield _SUM, "\t".join([*names, numbers])

    def _take(self, image: ImageKey, value: bytes) -> None:
        """Put a vector into the block, which the first one makes."""
        try:
            vector = decode_vector(value)
        except ValueError as error:
            raise DataError(f"shards: the value of {image} is not a vector ({error})") from error
        if self._model is None:
            self._begin(vector.size, str(image))
        elif vector.size != self._vectors.shape[1]:
            raise DataError(
                f"shards: the vector of {image} has {vector.size} numbers where the first has "
                f"{self._vectors.shape[1]}; extract the features of all images anew"
            )
        if not np.isfinite(vector).all():
            raise DataError(
                f"shards: the vector of {image} holds NaN or infinity; extract the features anew"
            )
        self._vectors[len(self._block)] = vector

    def _begin(self, n_features: int, name: str) -> None:
        self._model = load_model(Path(self.options.model))
        require_features(self._model, n_features, name)
        self._wnids = [str(wnid) for wnid in self._model.classes_]
        self._index = {wnid: index for index, wnid in enumerate(self._wnids)}
        self._vectors = new_block(n_features)
        self._tree = None
        if self.options.tree:
            with Path(self.options.tree).open(encoding="utf-8") as lines:
                self._tree = SynsetTree.from_lines(lines, self.options.tree)

    def _scored(self) -> Iterator[tuple[str, str]]:
        """Yield the rows of the block, count them, and begin a new block."""
        if not self._block:
            return
        scores = score_block(self._model, self._vectors, len(self._block))
        shown = shown_scores(self._model, scores)
        ranked = best_classes(scores, self.options.top_k)
        for row, (split, image) in enumerate(self._block):
            best = [self._wnids[label] for label in ranked[row]]
            told = [f"{score:.6g}" for score in shown[row, ranked[row]]]
            where = (_ROW, split, image.file_name, str(image))
            pairs = zip(best, told, strict=True)
            yield _SEPARATOR.join(where), "\t".join(text for pair in pairs for text in pair)
            self._count(split, image.wnid, best, scores[row], float(shown[row, ranked[row, 0]]))
        self._block.clear()

    def _count(
        self, split: str, truth: str, best: list[str], scores: NDArray[np.float64], score: float
    ) -> None:
        if truth == UNLABELLED:
            self._tally.add((split, UNLABELLED), (1,))
            return
        self._tally.count(split, truth, best)
        if gives_probabilities(self._model):
            known = self._index.get(truth)
            loss = None
            if known is not None:  # stable where the probability itself would underflow
                top = scores.max()
                loss = float(top - scores[known] + np.log(np.exp(scores - top).sum()))
            self._tally.calibrate(split, truth == best[0], score, loss)
        if self._tree:
            costs = (self._tree.cost(truth, best[0]), self._tree.least_cost(truth, best))
            self._tally.add((split, "cost"), (1, *costs))


if __name__ == "__main__":
    MREvaluateModel.run()

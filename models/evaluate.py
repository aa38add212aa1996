"""Count the errors of a model on a stream of vectors: top-1 and top-k, as ILSVRC does.

An image is an error of top-k when its synset is not among the k best; all images of a split count,
also those of synsets the model does not know (eval_clsloc.m of the ILSVRC devkit).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from math import sqrt
from typing import NamedTuple

import numpy as np
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from models.dataset import Pair, blocks
from models.scores import best_classes, class_scores, shown_scores
from mr_jobs.lib.imagenet import UNLABELLED, ImageKey

_Z_95 = 1.959963984540054  # the normal distribution's 97.5 % point


class Prediction(NamedTuple):
    """The best classes of an image, best first: (class_index, score), see `shown_scores`."""

    key: ImageKey
    best: tuple[tuple[int, float], ...]


class SynsetErrors(NamedTuple):
    """How many images of a synset there are, and how many of them are errors."""

    n_images: int
    n_top1_errors: int
    n_topk_errors: int


@dataclass
class Evaluation:
    """The errors of a model on one split.

    Attributes
    ----------
    wnids : synsets in the order of class_index.
    top_k : how many best classes are looked at: the number asked for, or all if there are fewer.
    predictions : of every image, in the order of the stream; about 500 bytes for each image.
    synsets : errors by true wnid, of labelled images.
    confusions : labelled images by (true wnid, best wnid), errors only.
    """

    wnids: list[str]
    top_k: int
    predictions: list[Prediction] = field(default_factory=list)
    synsets: dict[str, SynsetErrors] = field(default_factory=dict)
    confusions: Counter[tuple[str, str]] = field(default_factory=Counter)

    @property
    def n_images(self) -> int:
        """The number of labelled images; those without a label are predicted, not counted."""
        return sum(synset.n_images for synset in self.synsets.values())

    @property
    def n_top1_errors(self) -> int:
        """The number of images whose best class is wrong."""
        return sum(synset.n_top1_errors for synset in self.synsets.values())

    @property
    def n_topk_errors(self) -> int:
        """The number of images whose synset is not among the `top_k` best."""
        return sum(synset.n_topk_errors for synset in self.synsets.values())

    def unknown_synsets(self) -> dict[str, int]:
        """Return the number of images of each synset that had no training image, all errors."""
        known = set(self.wnids)
        return {
            wnid: synset.n_images
            for wnid, synset in sorted(self.synsets.items())
            if wnid not in known
        }

    def most_confused(self, n: int = 10) -> list[tuple[str, str, int]]:
        """Return the n most frequent errors: (true wnid, best wnid, images), most first."""
        ranked = sorted(self.confusions.items(), key=lambda item: (-item[1], item[0]))
        return [(true, best, count) for (true, best), count in ranked[:n]]


def evaluate(
    estimator: Pipeline,
    pairs: Iterable[Pair],
    class_index: Mapping[str, int],
    top_k: int,
    *,
    on_images: Callable[[int], None] = lambda n: None,
) -> Evaluation:
    """Predict every image of a split, and count the errors on those with a label.

    Parameters
    ----------
    estimator : as `train.fit` makes it.
    pairs : the images of the split; the wnid `unlabelled` means that there is no label.
    class_index : of the model.
    top_k : how many best classes count; of equal scores the lower class_index is better.
    on_images : told the number of images after each block, for a display of progress.

    Raises
    ------
    DataError
        A damaged vector.
    """
    wnids = sorted(class_index, key=class_index.__getitem__)
    result = Evaluation(wnids, min(top_k, len(wnids)))
    with threadpool_limits(limits=1):
        for block in blocks(pairs, class_index):
            scores = class_scores(estimator, block.X)
            best = best_classes(scores, result.top_k)
            shown = np.take_along_axis(shown_scores(estimator, scores), best, axis=1)
            for key, labels, values in zip(block.keys, best.tolist(), shown.tolist(), strict=True):
                result.predictions.append(Prediction(key, tuple(zip(labels, values, strict=True))))
            _count(result, block.keys, block.y.tolist(), best.tolist())
            on_images(len(block.keys))
    return result


def _count(
    result: Evaluation, keys: list[ImageKey], truths: list[int], best: list[list[int]]
) -> None:
    for key, truth, labels in zip(keys, truths, best, strict=True):
        if key.wnid == UNLABELLED:
            continue
        before = result.synsets.get(key.wnid, SynsetErrors(0, 0, 0))
        top1_error = truth != labels[0]
        result.synsets[key.wnid] = SynsetErrors(
            before.n_images + 1,
            before.n_top1_errors + top1_error,
            before.n_topk_errors + (truth not in labels),
        )
        if top1_error:
            result.confusions[key.wnid, result.wnids[labels[0]]] += 1


def error_interval(n_errors: int, n_images: int) -> tuple[float, float]:
    """Compute Wilson's 95 % interval of an error rate.

    Source: E. B. Wilson, Probable inference, the law of succession, and statistical inference,
    JASA 22 (1927).

    >>> [round(bound, 4) for bound in error_interval(10, 100)]
    [0.0552, 0.1744]
    """
    rate = n_errors / n_images
    shrink = 1.0 / (1.0 + _Z_95**2 / n_images)
    centre = shrink * (rate + _Z_95**2 / (2 * n_images))
    half = shrink * _Z_95 * sqrt(rate * (1 - rate) / n_images + _Z_95**2 / (4 * n_images**2))
    return max(0.0, centre - half), min(1.0, centre + half)

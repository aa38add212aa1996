"""What a model got right on one split: top-1 and top-k errors, as ILSVRC counts them.

An image is an error of top-k when its synset is not among the k best; all images of a split count,
also those of synsets the model does not know (eval_clsloc.m of the ILSVRC devkit).
`mr_jobs/mr_evaluate_model.py` counts; nothing here grows with the number of images.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from math import sqrt
from typing import Any, NamedTuple, Self

from models.calibration import reliability
from mr_jobs.lib.imagenet import UNLABELLED
from mr_jobs.lib.tally import Tally

_Z_95 = 1.959963984540054  # the normal distribution's 97.5 % point


class SynsetErrors(NamedTuple):
    """How many images of a synset there are, and how many of them are errors."""

    n_images: int
    n_top1_errors: int
    n_topk_errors: int


@dataclass(frozen=True)
class Evaluation:
    """The errors of a model on one split.

    Attributes
    ----------
    wnids : synsets in the order of class_index.
    top_k : how many best classes are looked at: the number asked for, or all if there are fewer.
    synsets : errors by true wnid, of labelled images.
    confusion : labelled images by (true wnid, best wnid), right ones, too.
    n_unlabelled : images without a label; they are predicted, not counted.
    calibration : see `calibration.reliability`.
    hierarchical_cost : means over the labelled images, `top1` and `topk`, and the tree's
        `max_height`; None where there is no tree. See `mr_jobs.lib.hierarchy`.
    """

    wnids: list[str]
    top_k: int
    synsets: dict[str, SynsetErrors] = field(default_factory=dict)
    confusion: dict[tuple[str, str], int] = field(default_factory=dict)
    n_unlabelled: int = 0
    calibration: dict[str, Any] | None = None
    hierarchical_cost: dict[str, Any] | None = None

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
        wrong = [(pair, count) for pair, count in self.confusion.items() if pair[0] != pair[1]]
        ranked = sorted(wrong, key=lambda item: (-item[1], item[0]))
        return [(true, best, count) for (true, best), count in ranked[:n]]

    def confusion_rows(self) -> Iterator[tuple[str, str, int]]:
        """Yield (true wnid, best wnid, images), sorted, for all pairs that there are."""
        for (true, best), count in sorted(self.confusion.items()):
            yield true, best, count

    @classmethod
    def from_tally(
        cls, tally: Tally, split: str, wnids: list[str], top_k: int, max_height: int | None = None
    ) -> Self:
        """Make the evaluation of a split.

        Parameters
        ----------
        tally : the sums of all tasks.
        wnids : the model's classes, in their order.
        top_k : the number asked for.
        max_height : of the synset tree, if there was one.
        """
        synsets = tally.of_split(split, "synset").items()
        likelihood = tally.sums.get((split, "likelihood"), [])
        cost = None
        if max_height is not None and (split, "cost") in tally.sums:
            n, top1, topk = tally.sums[split, "cost"]
            cost = {"top1": top1 / n, "topk": topk / n, "max_height": max_height}
        return cls(
            wnids=wnids,
            top_k=min(top_k, len(wnids)),
            synsets={wnid: SynsetErrors(*sums) for (wnid,), sums in sorted(synsets)},
            confusion={
                (true, best): n for (true, best), (n,) in tally.of_split(split, "confusion").items()
            },
            n_unlabelled=tally.sums.get((split, UNLABELLED), [0])[0],
            calibration=reliability(tally.of_split(split, "bin"), likelihood),
            hierarchical_cost=cost,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            **asdict(self),
            "n_images": self.n_images,
            "synsets": {wnid: list(errors) for wnid, errors in self.synsets.items()},
            "confusion": [list(row) for row in self.confusion_rows()],
            "unknown_synsets": self.unknown_synsets(),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read what `to_dict` returned."""
        return cls(
            wnids=values["wnids"],
            top_k=values["top_k"],
            synsets={wnid: SynsetErrors(*sums) for wnid, sums in values["synsets"].items()},
            confusion={(true, best): n for true, best, n in values["confusion"]},
            n_unlabelled=values["n_unlabelled"],
            calibration=values["calibration"],
            hierarchical_cost=values["hierarchical_cost"],
        )


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

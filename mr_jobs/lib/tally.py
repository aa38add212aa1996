r"""Count what a model gets right: sums that add up exactly, whoever counted which images.

A sum is named by fields, of which the first is the split or `all`, and holds integers:

    <split> synset <true wnid>                  images, top-1 errors, top-k errors
    <split> confusion <true wnid> <best wnid>   images
    <split> bin <number>                        images, right ones, sum of their best scores
    <split> likelihood                          images, sum of -log(probability of the truth)
    <split> cost                                images, sum of costs of the best, of the k best
    <split> unlabelled                          images without a label, of which nothing is counted
    all tag <tag>                               records, by the tag of their shards

Sums of fractions are in units of 2^-40, rounded for each image: integers add up to the same number
in any order, as floating-point numbers do not. The likelihood leaves out images of synsets that the
model does not know, whose probability is zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import ceil

from mr_jobs.lib.errors import DataError

N_BINS = 15  # of equal width, as in Guo et al., "On Calibration of Modern Neural Networks", 2017
UNIT = 1 << 40

Name = tuple[str, ...]
Sums = dict[Name, list[int]]


class Tally:
    """The sums of one task, or of many."""

    def __init__(self) -> None:
        self.sums: Sums = {}

    def add(self, name: Name, numbers: Iterable[int]) -> None:
        """Add numbers to the sum of a name.

        Raises
        ------
        DataError
            The sum has another count of numbers.
        """
        before = self.sums.get(name)
        if before is None:
            self.sums[name] = list(numbers)
            return
        try:
            self.sums[name] = [a + b for a, b in zip(before, numbers, strict=True)]
        except ValueError as error:
            raise DataError(f"the sums {' '.join(name)} do not fit together") from error

    def count(self, split: str, truth: str, best: Sequence[str]) -> None:
        """Count a labelled image by its true wnid and the k best wnids, best first."""
        wrong, missed = int(truth != best[0]), int(truth not in best)
        self.add((split, "synset", truth), (1, wrong, missed))
        self.add((split, "confusion", truth, best[0]), (1,))

    def calibrate(self, split: str, right: bool, score: float, loss: float | None) -> None:
        """Count a labelled image by the probability of its best class, and by the truth's loss.

        Parameters
        ----------
        score : in [0, 1]; a bin holds its upper bound, the first one zero, too.
        loss : -log(probability of the truth); None where the model does not know it.
        """
        number = min(max(ceil(score * N_BINS) - 1, 0), N_BINS - 1)
        self.add((split, "bin", str(number)), (1, int(right), round(score * UNIT)))
        if loss is not None:
            self.add((split, "likelihood"), (1, round(loss * UNIT)))

    def lines(self) -> Iterator[tuple[Name, str]]:
        """Yield the sums, sorted by their names, each as numbers with spaces between."""
        for name, numbers in sorted(self.sums.items()):
            yield name, " ".join(map(str, numbers))

    def of_split(self, split: str, what: str) -> dict[Name, list[int]]:
        """Return the sums of a split and kind, by the rest of their names."""
        return {
            name[2:]: numbers for name, numbers in self.sums.items() if name[:2] == (split, what)
        }


def read_numbers(text: str) -> list[int]:
    """Read the numbers of a sum.

    Raises
    ------
    DataError
        They are not integers.
    """
    try:
        return [int(number) for number in text.split()]
    except ValueError as error:
        raise DataError(f"not a sum: {text!r}") from error


def fraction(total: int, n: int) -> float:
    """Return the mean of a sum of fractions.

    >>> fraction(3 * UNIT, 4)
    0.75
    """
    return total / (n * UNIT)


def bins_of(sums: Mapping[Name, Sequence[int]]) -> list[tuple[int, int, int]]:
    """Return the N_BINS bins in order: images, right ones, sum of scores; empty ones are zeros."""
    found = [sums.get((str(number),), (0, 0, 0)) for number in range(N_BINS)]
    return [(n, right, total) for n, right, total in found]

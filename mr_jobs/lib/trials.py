"""Count what candidate linear models do with vectors that they were not made from.

All counts are sums over the vectors, so that tasks count apart and their counts add up.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from mr_jobs.lib.arrays_file import ArraysFile
from mr_jobs.lib.sums import Sums


@dataclass(frozen=True)
class Candidates(ArraysFile):
    """Linear models of standardised vectors, to be tried side by side.

    Parameters
    ----------
    mean, scale : float64 of shape (n_features,); a vector v is standardised to (v - mean) / scale.
    coef : float32 of shape (n_candidates, n_classes, n_features).
    intercept : float32 of shape (n_candidates, n_classes), finite.
    temperatures : float64; for each, the likelihood of the labels under the softmax of decision /
        temperature is summed. Empty where decisions are no log probabilities.
    """

    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    coef: NDArray[np.float32]
    intercept: NDArray[np.float32]
    temperatures: NDArray[np.float64]


@dataclass(frozen=True)
class Centres(ArraysFile):
    """What residuals are taken from: the standardised mean of each class.

    Parameters
    ----------
    mean, scale : as in `Candidates`.
    centres : float64 of shape (n_classes, n_features).
    """

    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    centres: NDArray[np.float64]

    def fourth_powers(self, vectors: NDArray[np.float32], y: NDArray[np.int64]) -> float:
        """Sum the fourth powers of the residuals' norms, as Ledoit and Wolf's shrinkage needs.

        Parameters
        ----------
        vectors : float32 of shape (n, n_features).
        y : int64 of shape (n,), their classes.
        """
        residuals = (vectors - self.mean) / self.scale - self.centres[y]
        return float((np.einsum("ij,ij->i", residuals, residuals) ** 2).sum())


@dataclass
class Trials:
    """What the candidates did so far.

    Attributes
    ----------
    n : vectors tried.
    errors : float64 of shape (n_candidates, 2), whole numbers: wrong as the best class, and not
        among the k best.
    likelihoods : float64 of shape (n_candidates, n_temperatures), sums of the negative logarithms.
    """

    n: int
    errors: NDArray[np.float64]
    likelihoods: NDArray[np.float64]

    @classmethod
    def none(cls, candidates: Candidates) -> Self:
        """Return the counts of no vector."""
        n, n_temperatures = len(candidates.coef), len(candidates.temperatures)
        return cls(0, np.zeros((n, 2)), np.zeros((n, n_temperatures)))

    @classmethod
    def from_sums(cls, sums: Sums, candidates: Candidates) -> Self:
        """Read what `to_sums` wrote; no sums are those of no vector."""
        none = cls.none(candidates)
        if "errors" not in sums:
            return none
        errors = sums["errors"].reshape(none.errors.shape)
        likelihoods = sums["likelihoods"].reshape(none.likelihoods.shape)
        return cls(int(sums["tried"][0]), errors, likelihoods)

    def to_sums(self) -> Iterator[tuple[str, NDArray[np.float64]]]:
        """Yield the arrays that add up, with their names."""
        yield "tried", np.array([float(self.n)])
        yield "errors", self.errors
        yield "likelihoods", self.likelihoods

    def add(
        self,
        candidates: Candidates,
        vectors: NDArray[np.float32],
        y: NDArray[np.int64],
        top_k: int,
    ) -> None:
        """Try the candidates on float32 vectors (n, n_features) of the classes `y`, int64 (n,)."""
        scaled = ((vectors - candidates.mean) / candidates.scale).astype(np.float32)
        every = np.arange(len(y))
        for row, (coef, intercept) in enumerate(
            zip(candidates.coef, candidates.intercept, strict=True)
        ):
            scores = scaled @ coef.T + intercept
            true = scores[every, y][:, np.newaxis]
            before = (scores > true).sum(axis=1)
            before += ((scores == true) & (np.arange(scores.shape[1]) < y[:, np.newaxis])).sum(1)
            self.errors[row] += [(before > 0).sum(), (before >= top_k).sum()]
            scores -= scores.max(axis=1, keepdims=True)
            true = scores[every, y]
            for column, temperature in enumerate(candidates.temperatures.astype(np.float32)):
                totals = np.log(np.exp(scores / temperature).sum(axis=1))
                lost = (totals - true / temperature).sum(dtype=np.float64)
                self.likelihoods[row, column] += lost
        self.n += len(y)

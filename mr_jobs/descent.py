"""Stochastic gradient descent of a linear classifier, from given weights over some vectors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mr_jobs.lib.arrays_file import ArraysFile
from mr_jobs.lib.sums import Sums

LOSSES = ("log_loss", "hinge", "modified_huber")


@dataclass(frozen=True)
class Start(ArraysFile):
    """Where a descent starts.

    Parameters
    ----------
    mean, scale : float64 of shape (n_features,); a vector v is standardised to (v - mean) / scale.
    coef : float64 of shape (n_rows, n_features), one row a class against the others, or one row
        alone for two classes.
    intercept : float64 of shape (n_rows,).
    clock : float64 of shape (1,), scikit-learn's `t_`, by which the steps become shorter.
    """

    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    coef: NDArray[np.float64]
    intercept: NDArray[np.float64]
    clock: NDArray[np.float64]

    @classmethod
    def zero(cls, mean: NDArray[np.float64], scale: NDArray[np.float64], n_classes: int) -> Start:
        """Start from nothing learnt."""
        n_rows = 1 if n_classes == 2 else n_classes
        return cls(mean, scale, np.zeros((n_rows, len(mean))), np.zeros(n_rows), np.ones(1))

    def after(self, sums: Sums) -> Start:
        """Return the average of where the tasks came to; of no tasks, the start itself."""
        if "n" not in sums:
            return self
        n = sums["n"][0]
        coef = (sums["coef"] / n).reshape(self.coef.shape)
        return Start(self.mean, self.scale, coef, sums["intercept"] / n, sums["clock"] / n)


class Descent:
    """An epoch over some vectors, with scikit-learn's SGDClassifier.

    Parameters
    ----------
    start : where it starts.
    n_classes : class_index runs from 0 to n_classes - 1.
    loss, alpha : of SGDClassifier.
    """

    def __init__(self, start: Start, n_classes: int, loss: str, alpha: float) -> None:
        self._start = start
        self._classifier = _classifier(start, n_classes, loss, alpha)
        self._classes = np.arange(n_classes)
        self._n = 0
        self._coef = np.zeros_like(start.coef)
        self._intercept = np.zeros_like(start.intercept)

    def add(self, vectors: NDArray[np.float32], y: NDArray[np.int64]) -> None:
        """Descend over float32 vectors (n, n_features) of the classes `y`, int64 (n,), in order."""
        scaled = (vectors - self._start.mean) / self._start.scale
        self._classifier.partial_fit(scaled, y, classes=self._classes)
        self._n += len(y)
        self._coef += len(y) * self._classifier.coef_
        self._intercept += len(y) * self._classifier.intercept_

    def to_sums(self) -> Iterator[tuple[str, NDArray[np.float64]]]:
        """Yield n and, times n, the weights and the clock; the weights are the blocks' mean."""
        yield "n", np.array([float(self._n)])
        yield "coef", self._coef
        yield "intercept", self._intercept
        yield "clock", np.array([self._n * float(self._classifier.t_)])


def _classifier(start: Start, n_classes: int, loss: str, alpha: float) -> Any:  # noqa: ANN401
    from sklearn.linear_model import SGDClassifier

    classifier = SGDClassifier(loss=loss, alpha=alpha, shuffle=False, random_state=0)
    classifier.classes_ = np.arange(n_classes)
    classifier.coef_ = start.coef.copy()
    classifier.intercept_ = start.intercept.copy()
    classifier.t_ = float(start.clock[0])
    return classifier

"""Turn a fitted classifier's decision values into ranked classes, the same way everywhere."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.pipeline import Pipeline


def class_scores(estimator: Pipeline, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return one decision value for each class, also for two classes.

    Parameters
    ----------
    estimator : a fitted pipeline that ends in a linear classifier.
    vectors : float32 array of shape (n, n_features).

    Returns
    -------
    float64 array of shape (n, n_classes).
    """
    values = np.asarray(estimator.decision_function(vectors), np.float64)
    if values.ndim == 2:
        return values
    # scikit-learn gives two classes one value: the log odds of the second for LDA.
    first = np.zeros_like(values) if gives_probabilities(estimator) else -values
    return np.column_stack([first, values])


def gives_probabilities(estimator: Pipeline) -> bool:
    """Say whether `shown_scores` are probabilities: LDA's posterior, not a ridge's or SGD's."""
    return isinstance(estimator[-1], LinearDiscriminantAnalysis)


def shown_scores(estimator: Pipeline, scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what a user sees for `scores` of shape (n, n_classes).

    That is the posterior probability for LDA, the softmax of its decision values, and the decision
    values themselves for the others. The posterior believes in its Gaussians: it is surer than it
    is right, and not calibrated.
    """
    if not gives_probabilities(estimator):
        return scores
    odds = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True), np.float64)


def best_classes(scores: NDArray[np.floating[Any]], k: int) -> NDArray[np.int64]:
    """Return the class_index of the k best classes, best first; of equals the lower comes first.

    >>> best_classes(np.array([[1.0, 3.0, 3.0]]), 2).tolist()
    [[1, 2]]
    """
    return np.argsort(-scores, axis=1, kind="stable")[:, :k].astype(np.int64)

"""Turn a fitted classifier's decision values into ranked classes, the same way everywhere.

The classifier is a scikit-learn pipeline; nothing of scikit-learn is imported here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mr_jobs.lib.errors import DataError

_PROBABILISTIC = "LinearDiscriminantAnalysis"


def class_scores(estimator: Any, vectors: NDArray[np.float32]) -> NDArray[np.float64]:  # noqa: ANN401
    """Return one decision value for each class, also for two classes.

    Parameters
    ----------
    estimator : a fitted scikit-learn pipeline that ends in a linear classifier.
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


def gives_probabilities(estimator: Any) -> bool:  # noqa: ANN401
    """Say whether `shown_scores` are probabilities: LDA's posterior, not a ridge's or SGD's."""
    return type(estimator[-1]).__name__ == _PROBABILISTIC


def shown_scores(estimator: Any, scores: NDArray[np.float64]) -> NDArray[np.float64]:  # noqa: ANN401
    """Return what a user sees for `scores` of shape (n, n_classes).

    That is the posterior probability for LDA, the softmax of its decision values, and the decision
    values themselves for the others.
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


def require_features(estimator: Any, n_features: int, name: str) -> None:  # noqa: ANN401
    """Refuse vectors that a model was not made for.

    Raises
    ------
    DataError
        The model wants vectors of another length than `n_features`, that of the image `name`.
    """
    wanted = [getattr(step, "n_features_in_", None) for _, step in estimator.steps]
    first = next((n for n in wanted if n is not None), n_features)
    if first != n_features:
        raise DataError(
            f"the model wants vectors of {first} numbers, and that of {name} in the shards has "
            f"{n_features}; train the model anew on these shards with `bin/pipeline train`"
        )

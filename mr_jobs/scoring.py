"""Score vectors with a trained model, to the same bits in every job and on the command line."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mr_jobs.lib.errors import DataError
from mr_jobs.lib.scores import best_classes, class_scores, shown_scores
from mr_jobs.one_thread import one_thread

BLOCK_ROWS = 256


def new_block(n_features: int) -> NDArray[np.float32]:
    """Return room for the vectors of a block: float32 of shape (BLOCK_ROWS, n_features)."""
    return np.zeros((BLOCK_ROWS, n_features), np.float32)


def score_block(
    model: Any,  # noqa: ANN401  # a scikit-learn pipeline
    vectors: NDArray[np.float32],
    n_rows: int,
) -> NDArray[np.float64]:
    """Return the scores of the first vectors of a block, by `scores.class_scores`.

    The whole block is scored, also when it is not full, and on one thread: so a vector's scores
    have the same bits whatever is beside it.

    Parameters
    ----------
    model : a fitted scikit-learn pipeline that ends in a linear classifier.
    vectors : of `new_block`; the rows after the first `n_rows` may be of an earlier block.

    Returns
    -------
    float64 array of shape (n_rows, n_classes).

    Raises
    ------
    DataError
        A score is not finite.
    """
    with one_thread():
        scores = class_scores(model, vectors)[:n_rows]
    if not np.isfinite(scores).all():
        raise DataError("the model's scores are not all finite; train it anew")
    return scores


def best_of_block(
    model: Any,  # noqa: ANN401  # a scikit-learn pipeline
    vectors: NDArray[np.float32],
    n_rows: int,
    top_k: int,
) -> list[list[tuple[int, float]]]:
    """Return (class_index, score as `scores.shown_scores`) of each vector's best, best first."""
    scores = score_block(model, vectors, n_rows)
    shown = shown_scores(model, scores)
    return [
        [(int(label), float(shown[row, label])) for label in labels]
        for row, labels in enumerate(best_classes(scores, top_k))
    ]

from typing import Any

import numpy as np
import pytest

from models.dataset import index_classes
from models.scores import best_classes, class_scores, gives_probabilities, shown_scores
from models.settings import ModelSettings
from models.train import fit


@pytest.mark.parametrize("kind", ["lda", "ridge", "sgd"])
@pytest.mark.parametrize("n_classes", [2, 4])
def test_the_best_class_is_scikit_learns_prediction(
    make_pairs: Any, kind: str, n_classes: int
) -> None:
    pairs = make_pairs(200, 8, n_classes, spread=4.0)
    X = np.stack([vector for _, vector in pairs])
    classes = index_classes(key.wnid for key, _ in pairs)
    estimator = fit(lambda: iter(pairs), classes, ModelSettings(kind=kind)).estimator

    scores = class_scores(estimator, X)

    assert scores.shape == (200, n_classes)
    best = best_classes(scores, 1)[:, 0]
    assert estimator.classes_[best].tolist() == estimator.predict(X).tolist()
    if gives_probabilities(estimator):
        np.testing.assert_allclose(
            shown_scores(estimator, scores), estimator.predict_proba(X), atol=1e-12
        )
    else:
        assert shown_scores(estimator, scores) is scores


def test_of_equal_scores_the_lower_class_index_is_better() -> None:
    scores = np.array([[2.0, 5.0, 5.0, 2.0], [1.0, 1.0, 1.0, 1.0]])

    assert best_classes(scores, 3).tolist() == [[1, 2, 0], [0, 1, 2]]
    assert best_classes(scores, 9).shape == (2, 4)

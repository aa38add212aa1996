import warnings
from typing import Any

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import RidgeClassifier, SGDClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from mr_jobs.lib.errors import DataError
from mr_jobs.lib.scores import (
    best_classes,
    class_scores,
    gives_probabilities,
    require_features,
    shown_scores,
)

CLASSIFIERS: dict[str, Any] = {
    "lda": LinearDiscriminantAnalysis,
    "ridge": RidgeClassifier,
    "sgd": lambda: SGDClassifier(random_state=0),
}


def fitted(kind: str, n_classes: int) -> tuple[Pipeline, Any]:
    random = np.random.default_rng(0)
    y = np.arange(200) % n_classes
    X = random.normal(size=(n_classes, 8))[y] + 2 * random.normal(size=(200, 8))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        names = np.array([f"n{label}" for label in y])
        estimator = make_pipeline(StandardScaler(), CLASSIFIERS[kind]()).fit(X, names)
    return estimator, X.astype(np.float32)


@pytest.mark.parametrize("kind", CLASSIFIERS)
@pytest.mark.parametrize("n_classes", [2, 4])
def test_the_best_class_is_scikit_learns_prediction(kind: str, n_classes: int) -> None:
    estimator, X = fitted(kind, n_classes)

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


def test_vectors_of_another_length_are_refused_with_both_lengths() -> None:
    estimator, _ = fitted("lda", 3)

    require_features(estimator, 8, "val/n1/a.JPEG")
    with pytest.raises(DataError, match=r"wants vectors of 8 numbers, and that of val/n1/a\.JPEG"):
        require_features(estimator, 9, "val/n1/a.JPEG")

from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import RidgeClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from models.dataset import Pair
from models.evaluate import Evaluation, error_interval, evaluate
from mr_jobs.lib.imagenet import ImageKey

CLASS_INDEX = {"n1": 0, "n2": 1, "n3": 2}


@pytest.fixture
def identity() -> Pipeline:
    """A model whose three scores are the vector's three numbers."""
    classifier = RidgeClassifier().fit(np.eye(3), list(CLASS_INDEX))
    classifier.coef_, classifier.intercept_ = np.eye(3), np.zeros(3)
    return Pipeline([("as it is", FunctionTransformer()), ("classify", classifier)])


def image(wnid: str, name: str, *vector: float) -> Pair:
    return ImageKey("val", wnid, name), np.array(vector, np.float32)


def run(estimator: Any, *pairs: Pair, top_k: int = 2) -> Evaluation:
    return evaluate(estimator, pairs, CLASS_INDEX, top_k)


def test_errors_are_counted_for_each_synset(identity: Pipeline) -> None:
    result = run(
        identity,
        image("n1", "a", 3, 2, 1),  # right
        image("n1", "b", 2, 3, 1),  # second best
        image("n1", "c", 1, 2, 3),  # third best
        image("n3", "d", 1, 2, 3),  # right
    )

    assert result.synsets == {"n1": (3, 2, 1), "n3": (1, 0, 0)}
    assert (result.n_images, result.n_top1_errors, result.n_topk_errors) == (4, 2, 1)
    assert result.most_confused() == [("n1", "n2", 1), ("n1", "n3", 1)]
    assert result.most_confused(1) == [("n1", "n2", 1)]


def test_predictions_are_best_first_with_their_scores(identity: Pipeline) -> None:
    result = run(identity, image("n1", "a", 0.5, 4, 1))

    assert result.predictions == [(ImageKey("val", "n1", "a"), ((1, 4.0), (2, 1.0)))]


def test_of_equal_scores_the_lower_class_index_wins(identity: Pipeline) -> None:
    result = run(identity, image("n3", "a", 1, 1, 1), image("n1", "b", 1, 1, 1))

    assert result.synsets == {"n3": (1, 1, 1), "n1": (1, 0, 0)}


def test_a_synset_without_training_images_counts_as_errors(identity: Pipeline) -> None:
    result = run(identity, image("n9", "a", 1, 2, 3), image("n3", "b", 1, 2, 3))

    assert (result.n_images, result.n_top1_errors, result.n_topk_errors) == (2, 1, 1)
    assert result.unknown_synsets() == {"n9": 1}
    assert result.most_confused() == [("n9", "n3", 1)]


def test_an_image_without_a_label_is_predicted_and_not_counted(identity: Pipeline) -> None:
    result = run(identity, image("unlabelled", "a", 1, 2, 3))

    assert len(result.predictions) == 1
    assert result.n_images == 0


def test_with_fewer_classes_than_k_all_of_them_are_looked_at(identity: Pipeline) -> None:
    result = run(identity, image("n1", "a", 1, 2, 3), top_k=5)

    assert result.top_k == 3
    assert result.n_topk_errors == 0


def test_no_images_give_no_errors(identity: Pipeline) -> None:
    assert run(identity).n_images == 0


def test_blocks_do_not_change_the_result(identity: Pipeline) -> None:
    random = np.random.default_rng(0)
    pairs = [image(f"n{row % 3 + 1}", f"{row}", *random.random(3)) for row in range(2500)]

    whole = run(identity, *pairs)
    parts = [run(identity, *pairs[start : start + 100]) for start in range(0, 2500, 100)]

    assert whole.n_top1_errors == sum(part.n_top1_errors for part in parts)
    assert whole.predictions == [p for part in parts for p in part.predictions]


@pytest.mark.parametrize(
    ("n_errors", "n_images", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (50, 100, 0.4038, 0.5962)],
)
def test_the_interval_is_wilsons(n_errors: int, n_images: int, low: float, high: float) -> None:
    assert error_interval(n_errors, n_images) == pytest.approx((low, high), abs=5e-5)

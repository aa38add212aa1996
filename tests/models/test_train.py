import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from models.dataset import Pair
from models.settings import ModelSettings
from models.train import Fit, fit
from mr_jobs.lib.errors import ConfigError, DataError
from mr_jobs.lib.imagenet import ImageKey
from tests.models.training import matrix, train

SHAPES = [(40, 100, 3), (300, 20, 4), (60, 30, 2), (25, 60, 2)]  # images, features, classes


def assert_same_model(ours: Fit, theirs: BaseEstimator, pairs: list[Pair], new: Any) -> None:
    theirs = make_pipeline(StandardScaler(), theirs).fit(*matrix(pairs))
    temperature = ours.hyper_parameters.get("temperature", 1.0)
    mine = ours.estimator
    for name in ("coef_", "intercept_"):
        array = np.atleast_1d(getattr(theirs[-1], name))
        found = np.reshape(getattr(mine[-1], name), array.shape) * temperature
        np.testing.assert_allclose(found, array, rtol=1e-6, atol=1e-6 * np.abs(array).max())
    for images in (pairs, new):
        X, _ = matrix(images)
        assert mine.predict(X).tolist() == theirs.predict(X).tolist()
    assert mine.classes_.tolist() == theirs.classes_.tolist()


@pytest.mark.parametrize("shrinkage", [0.05, 0.5, 1.0])
@pytest.mark.parametrize(("n_images", "n_features", "n_classes"), SHAPES)
def test_lda_equals_scikit_learns_own(
    make_pairs: Any, n_images: int, n_features: int, n_classes: int, shrinkage: float
) -> None:
    pairs = make_pairs(n_images, n_features, n_classes, spread=3.0)
    new = make_pairs(50, n_features, n_classes, split="val", seed=1, spread=3.0)

    ours = train(pairs, kind="lda", shrinkage=shrinkage)

    theirs = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage)
    assert_same_model(ours, theirs, pairs, new)
    if ours.hyper_parameters["temperature"] == 1.0:
        theirs = make_pipeline(StandardScaler(), theirs).fit(*matrix(pairs))
        X, _ = matrix(new)
        probabilities = ours.estimator.predict_proba(X)
        np.testing.assert_allclose(probabilities, theirs.predict_proba(X), atol=1e-6)


@pytest.mark.parametrize("shrinkage", [0.05, 0.5, 0.9])
@pytest.mark.parametrize(("n_images", "n_features", "n_classes"), SHAPES)
def test_ridge_equals_scikit_learns_own(
    make_pairs: Any, n_images: int, n_features: int, n_classes: int, shrinkage: float
) -> None:
    pairs = make_pairs(n_images, n_features, n_classes, spread=3.0)
    new = make_pairs(50, n_features, n_classes, split="val", seed=1, spread=3.0)

    result = train(pairs, kind="ridge", shrinkage=shrinkage)

    alpha = n_images * shrinkage / (1 - shrinkage)
    assert result.hyper_parameters["alpha"] == pytest.approx(alpha)
    assert_same_model(result, RidgeClassifier(alpha=alpha), pairs, new)


def test_a_constant_feature_and_one_that_hardly_varies_do_no_harm(make_pairs: Any) -> None:
    pairs = make_pairs(200, 10)
    for row, (_, vector) in enumerate(pairs):
        vector[0] = 0.1
        vector[1] = 0.5 if row else 0.5001

    ours = train(pairs, {"a": slice(0, 4), "b": slice(4, 10)}, kind="lda", shrinkage=0.3)

    theirs = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.3)
    assert_same_model(ours, theirs, pairs, pairs)
    assert (ours.estimator[-1].coef_[:, 0] == 0).all()
    assert ours.warnings == [
        "1 of 10 values are the same in all training images and have the weight 0: a[0] (1)"
    ]


@pytest.mark.parametrize("shrinkage", [0.0, 0.5])
def test_a_constant_feature_is_no_hindrance_without_shrinkage(
    make_pairs: Any, shrinkage: float
) -> None:
    pairs = make_pairs(100, 6)
    without = train([(key, vector[1:].copy()) for key, vector in pairs], shrinkage=shrinkage)
    for _, vector in pairs:
        vector[0] = 0.1

    ours = train(pairs, shrinkage=shrinkage)

    X, _ = matrix(pairs)
    assert ours.estimator.predict(X).tolist() == without.estimator.predict(X[:, 1:]).tolist()


@pytest.mark.parametrize("kind", ["lda", "ridge", "sgd"])
def test_the_same_images_give_the_same_bits(make_pairs: Any, kind: str) -> None:
    pairs = make_pairs(1500, 12)

    first, second = (train(pairs, kind=kind, sgd_epochs=2).estimator[-1] for _ in range(2))

    assert first.coef_.tobytes() == second.coef_.tobytes()
    assert first.intercept_.tobytes() == second.intercept_.tobytes()


@pytest.mark.parametrize("kind", ["lda", "ridge", "sgd"])
def test_every_kind_learns_what_can_be_learnt(make_pairs: Any, kind: str) -> None:
    new, truth = matrix(make_pairs(200, 15, split="val", seed=1))

    estimator = train(make_pairs(1200, 15), kind=kind).estimator

    assert (estimator.predict(new) == truth).mean() > 0.95


def test_one_image_of_each_synset_is_enough(make_pairs: Any) -> None:
    pairs = make_pairs(3, 5)

    estimator = train(pairs, kind="ridge").estimator

    assert estimator.predict(matrix(pairs)[0]).tolist() == [key.wnid for key, _ in pairs]


@pytest.mark.parametrize("kind", ["lda", "ridge", "sgd"])
def test_memory_does_not_grow_with_the_number_of_images(kind: str) -> None:
    def peak_bytes(n_images: int) -> int:
        def stream() -> Any:
            random = np.random.default_rng(0)
            for row in range(n_images):
                wnid = f"n{row % 2}"
                yield ImageKey("train", wnid, str(row)), random.random(40, np.float32)

        settings = ModelSettings(kind=kind, sgd_epochs=1)
        tracemalloc.start()
        fit(stream, {"n0": 0, "n1": 1}, settings)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    small = peak_bytes(7_000)  # a whole block of held-out images, too
    assert peak_bytes(14_000) < 1.1 * small


def test_joblib_loads_the_model_where_this_project_is_not(make_pairs: Any, tmp_path: Path) -> None:
    path = tmp_path / "model.joblib"
    joblib.dump(train(make_pairs(30, 6)).estimator, path)
    program = (
        "import sys, joblib; sys.modules.update(models=None, mr_jobs=None); "
        f"print(joblib.load({str(path)!r}).predict([[0.3] * 6])[0])"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("n0000000")


@pytest.mark.parametrize("kind", ["lda", "ridge", "sgd"])
@pytest.mark.parametrize("shrinkage", ["auto", 0.5])
def test_no_images_are_refused(kind: str, shrinkage: float | str) -> None:
    settings = ModelSettings(kind=kind, shrinkage=shrinkage)

    with pytest.raises(DataError, match="training split holds no image"):
        fit(lambda: iter([]), {"n0": 0, "n1": 1}, settings)


def test_a_synset_without_training_images_is_refused(make_pairs: Any) -> None:
    pairs = make_pairs(20, 4)
    classes = {wnid: row for row, wnid in enumerate(["n00000000", "n00000001", "n00000002", "n9"])}

    with pytest.raises(DataError, match=r"no training image of n9 \(1 of 4 synsets\)"):
        fit(lambda: iter(pairs), classes, ModelSettings())


def test_labels_that_are_not_dense_are_refused(make_pairs: Any) -> None:
    with pytest.raises(DataError, match="are not the numbers from 0, each once"):
        fit(lambda: iter(make_pairs(10, 4)), {"n00000000": 0, "n00000001": 2}, ModelSettings())


@pytest.mark.parametrize("loss", ["log_loss", "hinge", "modified_huber"])
def test_descent_stops_when_more_epochs_are_of_no_use(make_pairs: Any, loss: str) -> None:
    pairs = make_pairs(900, 15)
    new, truth = matrix(make_pairs(200, 15, split="val", seed=1))

    result = train(pairs, kind="sgd", sgd_loss=loss, sgd_epochs=50)

    tried = result.hyper_parameters["epochs_tried"]
    assert 2 <= len(tried) < 49
    assert tried[-1]["top1_error"] >= tried[-2]["top1_error"]
    assert (result.estimator.predict(new) == truth).mean() > 0.95


def test_an_image_of_another_synset_is_refused(make_pairs: Any) -> None:
    with pytest.raises(DataError, match="of none of the model's synsets"):
        fit(lambda: iter(make_pairs(10, 4)), {"n00000000": 0, "n1": 1}, ModelSettings())


@pytest.mark.parametrize("n_images", [10, 42])  # 42 images of 3 synsets: 39 degrees of freedom
def test_no_shrinkage_with_fewer_images_than_features_is_refused(
    make_pairs: Any, n_images: int
) -> None:
    pairs = make_pairs(n_images, 40)

    with pytest.raises(ConfigError, match="too small for this many images"):
        train(pairs, kind="lda", shrinkage=0.0)

import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from models.dataset import Pair, index_classes
from models.settings import ModelSettings
from models.train import FEW_SHRINKAGE, Fit, fit
from mr_jobs.lib.errors import ConfigError, DataError
from mr_jobs.lib.imagenet import ImageKey

SHAPES = [(40, 100, 3), (300, 20, 4), (60, 30, 2), (25, 60, 2)]  # images, features, classes


def train(pairs: list[Pair], **settings: Any) -> Fit:
    classes = index_classes(key.wnid for key, _ in pairs)
    return fit(lambda: iter(pairs), classes, ModelSettings(**settings))


def matrix(pairs: list[Pair]) -> tuple[NDArray[np.float64], NDArray[np.str_]]:
    return (
        np.stack([vector for _, vector in pairs]).astype(np.float64),
        np.array([key.wnid for key, _ in pairs]),
    )


def assert_same_model(ours: Any, theirs: BaseEstimator, pairs: list[Pair], new: list[Pair]) -> None:
    theirs = make_pipeline(StandardScaler(), theirs).fit(*matrix(pairs))
    for images in (pairs, new):
        X, _ = matrix(images)
        np.testing.assert_allclose(
            ours.decision_function(X), theirs.decision_function(X), rtol=1e-6, atol=1e-6
        )
        assert ours.predict(X).tolist() == theirs.predict(X).tolist()
    assert ours.classes_.tolist() == theirs.classes_.tolist()


@pytest.mark.parametrize("shrinkage", [0.05, 0.5, 1.0])
@pytest.mark.parametrize(("n_images", "n_features", "n_classes"), SHAPES)
def test_lda_equals_scikit_learns_own(
    make_pairs: Any, n_images: int, n_features: int, n_classes: int, shrinkage: float
) -> None:
    pairs = make_pairs(n_images, n_features, n_classes, spread=3.0)
    new = make_pairs(50, n_features, n_classes, split="val", seed=1, spread=3.0)

    ours = train(pairs, kind="lda", shrinkage=shrinkage).estimator

    theirs = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage)
    assert_same_model(ours, theirs, pairs, new)
    theirs = make_pipeline(StandardScaler(), theirs).fit(*matrix(pairs))
    X, _ = matrix(new)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-6)


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
    assert_same_model(result.estimator, RidgeClassifier(alpha=alpha), pairs, new)


def test_a_constant_feature_and_one_that_hardly_varies_do_no_harm(make_pairs: Any) -> None:
    pairs = make_pairs(200, 10)
    for row, (_, vector) in enumerate(pairs):
        vector[0] = 0.1
        vector[1] = 0.5 if row else 0.5001

    ours = train(pairs, kind="lda", shrinkage=0.3).estimator

    theirs = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.3)
    assert_same_model(ours, theirs, pairs, pairs)


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


@pytest.mark.parametrize("kind", ["lda", "ridge"])
def test_the_chosen_shrinkage_gives_the_model_of_all_images(make_pairs: Any, kind: str) -> None:
    pairs = make_pairs(400, 60, spread=6.0)

    result = train(pairs, kind=kind, shrinkage="auto")

    tried = result.hyper_parameters["shrinkage_choice"]
    chosen = result.hyper_parameters["shrinkage"]
    errors = {row["shrinkage"]: row["top1_error"] + row["topk_error"] for row in tried}
    assert errors[chosen] == min(errors.values())
    assert result.n_images == 400
    fixed = train(pairs, kind=kind, shrinkage=chosen).estimator
    np.testing.assert_allclose(result.estimator[-1].coef_, fixed[-1].coef_, rtol=1e-7, atol=1e-9)


def test_few_images_get_much_shrinkage_and_a_warning(make_pairs: Any) -> None:
    result = train(make_pairs(12, 40, 2), shrinkage="auto")

    assert result.hyper_parameters["shrinkage"] == FEW_SHRINKAGE
    assert result.n_images == 12
    assert "12 training images are too few" in result.warnings[0]


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


def test_an_image_of_another_synset_is_refused(make_pairs: Any) -> None:
    with pytest.raises(DataError, match="of none of the model's synsets"):
        fit(lambda: iter(make_pairs(10, 4)), {"n00000000": 0, "n1": 1}, ModelSettings())


def test_no_shrinkage_with_fewer_images_than_features_is_refused(make_pairs: Any) -> None:
    pairs = make_pairs(10, 40)
    for _, vector in pairs:
        vector[0] = 0.5  # so that rounding cannot make the matrix look regular

    with pytest.raises(ConfigError, match="too small for this many images"):
        train(pairs, kind="lda", shrinkage=0.0)


def test_progress_counts_each_image_once_a_pass(make_pairs: Any) -> None:
    pairs = make_pairs(1100, 4)
    seen: list[int] = []
    classes = index_classes(key.wnid for key, _ in pairs)

    fit(lambda: iter(pairs), classes, ModelSettings(shrinkage="auto"), on_images=seen.append)

    assert sum(seen) == 1100

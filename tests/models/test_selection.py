"""What is chosen on held-out training images: shrinkage, features, temperature."""

from typing import Any

import numpy as np
import pytest
from sklearn.covariance import ledoit_wolf_shrinkage
from sklearn.preprocessing import StandardScaler

from models.train import FEW_SHRINKAGE
from mr_jobs.lib.imagenet import ImageKey
from mr_jobs.lib.records import place
from tests.models.training import matrix, train

PARTS = {"good": slice(0, 12), "noise": slice(12, 60), "more": slice(60, 64)}


@pytest.mark.parametrize("kind", ["lda", "ridge"])
def test_the_chosen_shrinkage_gives_the_model_of_all_images(make_pairs: Any, kind: str) -> None:
    pairs = make_pairs(400, 60, spread=6.0)

    result = train(pairs, kind=kind, shrinkage="auto")

    selection = result.hyper_parameters["selection"]
    chosen = result.hyper_parameters["shrinkage"]
    errors = [row["top1_error"] + row["topk_error"] for row in selection["candidates"]]
    assert selection["candidates"][selection["chosen"]]["shrinkage"] == chosen
    assert errors[selection["chosen"]] == min(errors)
    assert 40 < selection["n_images"] < 95
    assert result.n_images == 400
    fixed = train(pairs, kind=kind, shrinkage=chosen)
    mine, theirs = result.estimator[-1].coef_, fixed.estimator[-1].coef_
    np.testing.assert_allclose(mine, theirs, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("kind", ["lda", "ridge"])
def test_features_are_selected_only_where_that_is_better_by_a_standard_error(
    make_pairs: Any, kind: str
) -> None:
    pairs = make_pairs(330, 64, spread=1.3)
    random = np.random.default_rng(5)
    for _, vector in pairs:
        vector[12:60] = random.normal(size=48)  # says nothing, and there are few images

    with_all = train(pairs, PARTS, kind=kind, select_features=False, shrinkage=0.02)
    selected = train(pairs, PARTS, kind=kind, shrinkage=0.02)
    useful = [(key, np.concatenate([vector[:12], vector[60:]])) for key, vector in pairs]
    all_useful = train(
        useful, {"good": slice(0, 12), "more": slice(12, 16)}, kind=kind, shrinkage=0.02
    )

    assert with_all.hyper_parameters["features"] == list(PARTS)
    assert "noise" not in selected.hyper_parameters["features"]
    coef = selected.estimator[-1].coef_
    assert coef.shape[1] == 64
    assert (coef[:, PARTS["noise"]] == 0).all()
    assert all_useful.hyper_parameters["features"] == ["good", "more"]
    assert len(selected.hyper_parameters["selection"]["candidates"]) == 7


def test_too_many_sets_of_features_for_the_memory_are_not_tried(
    make_pairs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.selection.MAX_WEIGHT_BYTES", 10_000)

    result = train(make_pairs(300, 64), PARTS)

    assert "to try 7 sets of them is too much for vectors of 64 numbers" in result.warnings[0]
    assert result.hyper_parameters["features"] == list(PARTS)
    assert len(result.hyper_parameters["selection"]["candidates"]) == 6


def test_the_temperature_makes_the_posterior_believe_as_much_as_it_is_right(
    make_pairs: Any,
) -> None:
    pairs = make_pairs(1200, 60, spread=8.0)
    random = np.random.default_rng(5)
    doubled = [(key, np.repeat(v, 4) + 0.01 * random.normal(size=240)) for key, v in pairs]
    pairs = [(key, vector.astype(np.float32)) for key, vector in doubled]

    result = train(pairs[:900], shrinkage=0.9)

    X, truth = matrix(pairs[900:])
    decisions = result.estimator.decision_function(X) * result.hyper_parameters["temperature"]

    def lost(temperature: float) -> float:
        odds = np.exp((decisions - decisions.max(axis=1, keepdims=True)) / temperature)
        true = odds[truth[:, np.newaxis] == result.estimator.classes_]
        return float(-np.log(true / odds.sum(axis=1)).mean())

    chosen = lost(result.hyper_parameters["temperature"])
    assert chosen < 0.8 * lost(1.0)
    assert chosen < 1.1 * min(map(lost, np.geomspace(0.1, 100, 40)))


@pytest.mark.parametrize("n_classes", [2, 3])
def test_ledoit_wolf_equals_scikit_learns(make_pairs: Any, n_classes: int) -> None:
    pairs = make_pairs(220, 30, n_classes, spread=3.0)
    for _, vector in pairs:
        vector[:10] += vector[20:]  # features that go together

    result = train(pairs, shrinkage="ledoit-wolf")

    X, labels = matrix(pairs)
    scaled = StandardScaler().fit_transform(X)
    for wnid in set(labels):
        scaled[labels == wnid] -= scaled[labels == wnid].mean(axis=0)
    expected = ledoit_wolf_shrinkage(scaled, assume_centered=True)
    assert result.hyper_parameters["shrinkage"] == pytest.approx(expected, rel=1e-9)
    assert 0.01 < expected < 0.99


def test_a_synset_of_which_all_images_are_held_out_is_no_hindrance_to_choosing(
    make_pairs: Any,
) -> None:
    pairs = make_pairs(300, 10)
    rare = [ImageKey("train", "n9", f"{number}.JPEG") for number in range(40)]
    rare = [key for key in rare if place(str(key), 0) >= 5 / 6][:2]
    pairs += [(key, np.full(10, 9, np.float32)) for key in rare]

    result = train(pairs)

    table = result.hyper_parameters["selection"]["candidates"]
    assert all(np.isfinite(row["negative_log_likelihood"]) for row in table)
    assert result.estimator.predict(np.full((1, 10), 9.0)).tolist() == ["n9"]


def test_few_images_get_much_shrinkage_and_a_warning(make_pairs: Any) -> None:
    result = train(make_pairs(12, 40, 2), shrinkage="auto")

    assert result.hyper_parameters["shrinkage"] == FEW_SHRINKAGE
    assert result.n_images == 12
    assert "12 training images are too few" in result.warnings[0]

from typing import Any

import pytest

from models.dataset import index_classes
from models.evaluate import Evaluation, SynsetErrors
from models.metrics import build_metrics
from models.settings import ModelSettings
from models.train import Fit, fit


@pytest.fixture
def fitted(make_pairs: Any) -> Fit:
    pairs = make_pairs(30, 4)
    classes = index_classes(key.wnid for key, _ in pairs)
    return fit(lambda: iter(pairs), classes, ModelSettings(shrinkage=0.5))


def evaluation(top_k: int = 5, /, **synsets: tuple[int, int, int]) -> Evaluation:
    wnids = [f"n{number}" for number in range(1, 7)]
    counted = {wnid: SynsetErrors(*errors) for wnid, errors in synsets.items()}
    return Evaluation(wnids, top_k, synsets=counted)


def test_errors_are_fractions_with_intervals(fitted: Fit) -> None:
    result = build_metrics({"run_id": "r1"}, fitted, evaluation(n1=(60, 20, 5), n2=(40, 10, 0)))

    assert result["run_id"] == "r1"
    assert (result["top1_error"], result["top5_error"]) == (0.3, 0.05)
    low, high = result["top1_error_interval"]
    assert low < 0.3 < high
    assert (result["n_classes"], result["n_images"], result["warnings"]) == (6, 100, [])
    assert result["model"]["kind"] == "lda"
    assert "test" not in result


def test_another_k_gives_the_error_its_name(fitted: Fit) -> None:
    result = build_metrics({}, fitted, evaluation(3, n1=(10, 5, 2)), top_k=3)

    assert result["top3_error"] == 0.2
    assert "top5_error" not in result


def test_k_of_one_gives_top1_only(fitted: Fit) -> None:
    result = build_metrics({}, fitted, evaluation(1, n1=(10, 5, 5)), top_k=1)

    assert result["top1_error"] == 0.5


def test_fewer_classes_than_five_are_said(fitted: Fit) -> None:
    result = build_metrics({}, fitted, evaluation(3, n1=(10, 5, 0)))

    assert result["top5_error"] == 0.0
    assert "top-5 means top-3" in result["warnings"][0]


def test_no_label_means_no_error_and_a_warning(fitted: Fit) -> None:
    result = build_metrics({}, fitted, evaluation())

    assert result["top1_error"] is None
    assert result["top1_error_interval"] is None
    assert "no validation image has a label" in result["warnings"][0]


def test_synsets_without_training_images_are_listed(fitted: Fit) -> None:
    unknown = {f"x{number:02}": (2, 2, 2) for number in range(12)}

    result = build_metrics({"warnings": ["first"]}, fitted, evaluation(5, n1=(1, 0, 0), **unknown))

    assert result["warnings"][0] == "first"
    assert "24 validation images" in result["warnings"][1]
    assert "x00 (2)" in result["warnings"][1]
    assert result["warnings"][1].endswith("and 2 more")


def test_a_labelled_test_split_has_its_own_errors(fitted: Fit) -> None:
    test = evaluation(n1=(10, 4, 1))

    result = build_metrics({}, fitted, evaluation(n1=(10, 5, 2)), test)

    assert result["test"]["top1_error"] == 0.4
    assert result["test"]["n_images"] == 10

from dataclasses import replace
from typing import Any

import pytest

from models.evaluate import Evaluation, SynsetErrors
from models.metrics import build_metrics
from models.train import Fit
from tests.models.scored import fitted


@pytest.fixture
def made(make_pairs: Any) -> Fit:
    return fitted(make_pairs(30, 4))


def evaluation(top_k: int = 5, /, **synsets: tuple[int, int, int]) -> Evaluation:
    wnids = [f"n{number}" for number in range(1, 7)]
    counted = {wnid: SynsetErrors(*errors) for wnid, errors in synsets.items()}
    return Evaluation(wnids, top_k, counted)


def test_errors_are_fractions_with_intervals(made: Fit) -> None:
    result = build_metrics({"run_id": "r1"}, made, evaluation(n1=(60, 20, 5), n2=(40, 10, 0)))

    assert result["run_id"] == "r1"
    assert (result["top1_error"], result["top5_error"]) == (0.3, 0.05)
    low, high = result["top1_error_interval"]
    assert low < 0.3 < high
    assert (result["n_classes"], result["n_images"], result["warnings"]) == (6, 100, [])
    assert result["model"]["kind"] == "lda"
    assert "test" not in result


def test_another_k_gives_the_error_its_name(made: Fit) -> None:
    result = build_metrics({}, made, evaluation(3, n1=(10, 5, 2)), top_k=3)

    assert result["top3_error"] == 0.2
    assert "top5_error" not in result


def test_k_of_one_gives_top1_only(made: Fit) -> None:
    result = build_metrics({}, made, evaluation(1, n1=(10, 5, 5)), top_k=1)

    assert result["top1_error"] == 0.5


def test_fewer_classes_than_five_are_said(made: Fit) -> None:
    result = build_metrics({}, made, evaluation(3, n1=(10, 5, 0)))

    assert result["top5_error"] == 0.0
    assert "top-5 means top-3" in result["warnings"][0]


def test_no_label_means_no_error_and_a_warning(made: Fit) -> None:
    result = build_metrics({}, made, evaluation())

    assert result["top1_error"] is None
    assert result["top1_error_interval"] is None
    assert "no validation image has a label" in result["warnings"][0]


def test_synsets_without_training_images_are_listed(made: Fit) -> None:
    unknown = {f"x{number:02}": (2, 2, 2) for number in range(12)}

    result = build_metrics({"warnings": ["first"]}, made, evaluation(5, n1=(1, 0, 0), **unknown))

    assert result["warnings"][0] == "first"
    assert "24 validation images" in result["warnings"][1]
    assert "x00 (2)" in result["warnings"][1]
    assert result["warnings"][1].endswith("and 2 more")


def test_a_labelled_test_split_has_its_own_errors(made: Fit) -> None:
    test = evaluation(n1=(10, 4, 1))

    result = build_metrics({}, made, evaluation(n1=(10, 5, 2)), test)

    assert result["test"]["top1_error"] == 0.4
    assert result["test"]["n_images"] == 10


CALIBRATION = {"bins": [], "expected_calibration_error": 0.1, "negative_log_likelihood": 0.5}


def test_calibration_names_the_temperature_of_the_model(made: Fit) -> None:
    val = replace(evaluation(n1=(10, 5, 2)), calibration=CALIBRATION)
    warm = replace(made, hyper_parameters={"kind": "lda", "temperature": 1.5})

    assert build_metrics({}, warm, val)["calibration"] == CALIBRATION | {"temperature": 1.5}
    assert build_metrics({}, made, val)["calibration"]["temperature"] is None
    assert build_metrics({}, made, evaluation(n1=(10, 5, 2)))["calibration"] is None


def test_the_hierarchical_cost_is_passed_on(made: Fit) -> None:
    cost = {"top1": 2.5, "topk": 1.0, "max_height": 13}
    test = replace(evaluation(n1=(10, 5, 2)), hierarchical_cost=cost)

    result = build_metrics({}, made, evaluation(n1=(10, 5, 2)), test)

    assert (result["hierarchical_cost"], result["test"]["hierarchical_cost"]) == (None, cost)


def test_errors_by_size_have_names_fractions_and_intervals(made: Fit) -> None:
    def row(split: str, low: int, high: int | None, *counts: int) -> dict[str, Any]:
        names = ("split", "low", "high", "n_images", "n_top1_errors", "n_topk_errors")
        return dict(zip(names, (split, low, high, *counts), strict=True))

    by_image_size = [
        row("test", 100, 200, 8, 4, 2),
        row("val", 0, 100, 4, 4, 1),
        row("val", 100, 200, 100, 10, 5),
        row("val", 500, None, 1, 0, 0),
    ]
    by_box_size = [row("val", 0, 10, 2, 1, 1), row("val", 10, 25, 2, 1, 0)]
    by_box_size += [row("val", 75, None, 3, 0, 0)]
    val, test = evaluation(n1=(105, 14, 6)), evaluation(n1=(8, 4, 2))

    result = build_metrics(
        {}, made, val, test, sizes={"by_image_size": by_image_size, "by_box_size": by_box_size}
    )

    images, boxes = result["by_image_size"], result["by_box_size"]
    assert [row["name"] for row in images] == ["< 100 px", "100 to 199 px", "≥ 500 px"]
    assert [(row["low"], row["high"]) for row in images] == [(0, 100), (100, 200), (500, None)]
    assert images[1]["n_images"] == 100
    assert (images[1]["top1_error"], images[1]["topk_error"]) == (0.1, 0.05)
    assert images[1]["top1_error_interval"] == pytest.approx([0.0552, 0.1744], abs=5e-5)
    assert [row["name"] for row in boxes] == ["< 10 %", "10 to 25 %", "≥ 75 %"]
    assert [(row["low"], row["high"]) for row in boxes] == [(0, 0.1), (0.1, 0.25), (0.75, None)]
    assert [row["name"] for row in result["test"]["by_image_size"]] == ["100 to 199 px"]
    assert result["test"]["by_box_size"] == []


def test_sizes_that_nobody_asked_for_are_empty(made: Fit) -> None:
    result = build_metrics({}, made, evaluation(n1=(10, 5, 2)))

    assert (result["by_image_size"], result["by_box_size"]) == ([], [])

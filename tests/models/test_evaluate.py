import json
from math import log

import pytest

from models.evaluate import Evaluation, error_interval
from mr_jobs.lib.tally import Tally


def counted(*images: tuple[str, list[str]]) -> Tally:
    """Count images given as (true wnid, best wnids)."""
    tally = Tally()
    for truth, best in images:
        tally.count("val", truth, best)
    return tally


def evaluation(*images: tuple[str, list[str]], top_k: int = 2) -> Evaluation:
    return Evaluation.from_tally(counted(*images), "val", ["n1", "n2", "n3"], top_k)


def test_errors_are_counted_for_each_synset() -> None:
    result = evaluation(
        ("n1", ["n1", "n2"]), ("n1", ["n2", "n1"]), ("n1", ["n3", "n2"]), ("n3", ["n3", "n1"])
    )

    assert result.synsets == {"n1": (3, 2, 1), "n3": (1, 0, 0)}
    assert (result.n_images, result.n_top1_errors, result.n_topk_errors) == (4, 2, 1)
    assert result.most_confused() == [("n1", "n2", 1), ("n1", "n3", 1)]
    assert result.most_confused(1) == [("n1", "n2", 1)]
    assert list(result.confusion_rows()) == [
        ("n1", "n1", 1), ("n1", "n2", 1), ("n1", "n3", 1), ("n3", "n3", 1),
    ]  # fmt: skip


def test_a_synset_without_training_images_counts_as_errors() -> None:
    result = evaluation(("n9", ["n1", "n2"]), ("n3", ["n3", "n2"]))

    assert (result.n_images, result.n_top1_errors, result.n_topk_errors) == (2, 1, 1)
    assert result.unknown_synsets() == {"n9": 1}
    assert result.most_confused() == [("n9", "n1", 1)]


def test_images_without_a_label_are_not_counted_as_images() -> None:
    tally = Tally()
    tally.add(("val", "unlabelled"), (7,))

    result = Evaluation.from_tally(tally, "val", ["n1", "n2"], 5)

    assert (result.n_images, result.n_unlabelled) == (0, 7)
    assert result.calibration is None


def test_with_fewer_classes_than_k_all_of_them_are_looked_at() -> None:
    assert evaluation(("n1", ["n3", "n2", "n1"]), top_k=5).top_k == 3


def test_no_images_give_no_errors() -> None:
    assert evaluation().n_images == 0


def test_the_sums_of_several_tasks_add_up() -> None:
    images = [("n1", ["n1"]), ("n2", ["n1"]), ("n1", ["n2"]), ("n1", ["n1"])]
    together = Tally()
    for part in (counted(*images[:1]), counted(*images[1:])):
        for name, numbers in part.sums.items():
            together.add(name, numbers)

    assert together.sums == counted(*images).sums


def test_costs_are_means_over_the_images_beside_the_height_of_the_tree() -> None:
    tally = counted(("n1", ["n1"]), ("n1", ["n2"]), ("n1", ["n3"]), ("n2", ["n1"]))
    tally.add(("val", "cost"), (4, 9, 2))

    result = Evaluation.from_tally(tally, "val", ["n1", "n2", "n3"], 2, 12)

    assert result.hierarchical_cost == {"top1": 2.25, "topk": 0.5, "max_height": 12}
    assert Evaluation.from_tally(tally, "val", ["n1"], 2).hierarchical_cost is None
    assert Evaluation.from_tally(tally, "test", ["n1"], 2, 12).hierarchical_cost is None


def test_json_keeps_everything() -> None:
    tally = counted(("n1", ["n1", "n2"]), ("n9", ["n2", "n1"]))
    tally.calibrate("val", True, 0.9, -log(0.9))
    tally.add(("val", "cost"), (2, 1, 1))
    result = Evaluation.from_tally(tally, "val", ["n1", "n2"], 2, 3)

    told = json.loads(json.dumps(result.to_dict(), allow_nan=False))

    assert Evaluation.from_dict(told) == result
    assert told["confusion"] == [["n1", "n1", 1], ["n9", "n2", 1]]
    assert (told["n_images"], told["unknown_synsets"]) == (2, {"n9": 1})


@pytest.mark.parametrize(
    ("n_errors", "n_images", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (50, 100, 0.4038, 0.5962)],
)
def test_the_interval_is_wilsons(n_errors: int, n_images: int, low: float, high: float) -> None:
    assert error_interval(n_errors, n_images) == pytest.approx((low, high), abs=5e-5)

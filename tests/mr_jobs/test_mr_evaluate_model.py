from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import RidgeClassifier
from sklearn.pipeline import Pipeline

from mr_jobs.lib.tally import N_BINS, UNIT
from mr_jobs.model_file import to_bytes
from mr_jobs.mr_evaluate_model import MREvaluateModel
from tests.mr_jobs.scored_images import IMAGES, WNIDS, records, small_model

Rows = dict[str, list[tuple[str, float]]]


def rows_of(result: Any, split: str = "val") -> Rows:
    found: Rows = {}
    for line in result.lines:
        kind, of_split, *fields = line.split("\t")
        if kind == "row" and of_split == split:
            _, key, *labels = fields
            pairs = zip(labels[::2], map(float, labels[1::2]), strict=True)
            found[key] = list(pairs)
    return found


def sums_of(result: Any, *names: str) -> dict[tuple[str, ...], list[int]]:
    found = {}
    for line in result.lines:
        kind, *fields = line.split("\t")
        if kind == "sum" and tuple(fields[: len(names)]) == names:
            found[tuple(fields[len(names) : -1])] = [int(n) for n in fields[-1].split()]
    return found


@pytest.fixture(scope="module")
def lda() -> Pipeline:
    return small_model()


@pytest.fixture
def model(lda: Pipeline, tmp_path: Path) -> str:
    (tmp_path / "model.npz").write_bytes(to_bytes(lda))
    return str(tmp_path / "model.npz")


def test_sums_and_rows_are_those_of_a_recomputation(
    run_job: Any, bundle: Any, lda: Pipeline, model: str
) -> None:
    result = run_job(MREvaluateModel, bundle(*records(IMAGES)), args=("--model", model))

    val = {key: vector for key, vector in IMAGES if key.startswith("val/")}
    rows = rows_of(result)
    assert rows.keys() == val.keys()
    synsets: Counter[tuple[str, int]] = Counter()
    confusion: Counter[tuple[str, ...]] = Counter()
    loss, known = 0.0, 0
    for key, vector in val.items():
        truth = key.split("/")[1]
        posterior = dict(zip(lda.classes_, lda.predict_proba(vector[None])[0], strict=True))
        ranked = sorted(posterior, key=lambda wnid: (-posterior[wnid], wnid))
        assert [wnid for wnid, _ in rows[key]] == ranked
        assert [score for _, score in rows[key]] == pytest.approx(
            [posterior[wnid] for wnid in ranked], rel=1e-5
        )
        synsets[truth, 0] += 1
        synsets[truth, 1] += truth != ranked[0]
        synsets[truth, 2] += truth not in ranked[:5]
        confusion[truth, ranked[0]] += 1
        if truth in posterior:
            loss, known = loss - math.log(posterior[truth]), known + 1
    assert sums_of(result, "val", "synset") == {
        (wnid,): [synsets[wnid, i] for i in range(3)] for wnid in [*WNIDS, "n09"]
    }
    assert sums_of(result, "val", "confusion") == {pair: [n] for pair, n in confusion.items()}
    ((n, total),) = sums_of(result, "val", "likelihood").values()
    assert n == known
    assert total / UNIT == pytest.approx(loss, rel=1e-9)
    assert 0 < sum(synsets[wnid, 1] for wnid in WNIDS) < 300


def test_bins_hold_the_scores_of_the_best_classes(run_job: Any, bundle: Any, model: str) -> None:
    result = run_job(MREvaluateModel, bundle(*records(IMAGES)), args=("--model", model))

    expected: dict[tuple[str, ...], list[float]] = {
        (str(number),): [0, 0, 0.0] for number in range(N_BINS)
    }
    for key, labels in rows_of(result).items():
        wnid, score = labels[0]
        sums = expected[(str(math.ceil(score * N_BINS) - 1),)]
        sums[0] += 1
        sums[1] += wnid == key.split("/")[1]
        sums[2] += score
    found = sums_of(result, "val", "bin")
    assert len(found) > 5
    for name, (n, right, total) in found.items():
        assert [n, right] == expected[name][:2]
        assert total / UNIT == pytest.approx(expected[name][2], rel=1e-5)
    assert sum(sums[0] for sums in expected.values()) == sum(n for n, _, _ in found.values())


def test_images_without_a_label_have_rows_and_count_nowhere(
    run_job: Any, bundle: Any, model: str
) -> None:
    result = run_job(MREvaluateModel, bundle(*records(IMAGES)), args=("--model", model))

    assert len(rows_of(result, "test")) == 33
    assert sums_of(result, "test") == {("unlabelled",): [33]}


def test_every_record_is_counted_whatever_its_split(run_job: Any, bundle: Any, model: str) -> None:
    leaked = [("leaked\t00\ttrain/n01/l.JPEG\t0a1b2c3d", b"not even a vector")]

    result = run_job(MREvaluateModel, bundle(*leaked, *records(IMAGES)), args=("--model", model))

    assert result.counters == {"read": 675, "val": 601, "test": 33, "other": 41}


def test_both_runners_and_any_number_of_shards_give_the_same_bytes(
    run_job: Any, bundle: Any, model: str
) -> None:
    all_records = records(IMAGES)
    whole = bundle(*all_records, name="whole")
    parts = [bundle(*all_records[at::3], name=f"part-{at}") for at in range(3)]

    def lines(runner: str, *paths: Path) -> list[str]:
        result = run_job(MREvaluateModel, *paths, runner=runner, args=("--model", model))
        for file in result.files:
            assert file.splitlines() == sorted(file.splitlines())
        return sorted(result.lines)

    inline = lines("inline", whole)
    assert lines("inline", *parts) == inline
    assert lines("local", *parts) == inline


def test_rows_are_in_the_order_of_file_names(run_job: Any, bundle: Any, model: str) -> None:
    names = ["a.JPEG", "a-1.JPEG", "a_1.JPEG", "b.JPEG", "a 1.JPEG"]
    images = [(f"val/n01/{name}", np.zeros(6, np.float32)) for name in names]
    images.append(("val/n02/a.JPEG", np.zeros(6, np.float32)))

    result = run_job(MREvaluateModel, bundle(*records(images)), args=("--model", model))

    found = [line.split("\t")[3] for line in result.lines if line.startswith("row")]
    assert [key.split("/")[2] for key in found] == sorted([*names, "a.JPEG"])
    assert found[2:4] == ["val/n01/a.JPEG", "val/n02/a.JPEG"]


def test_other_models_give_decision_values_and_no_calibration(
    run_job: Any, bundle: Any, tmp_path: Path
) -> None:
    classifier = RidgeClassifier().fit(np.eye(3), ["n1", "n2", "n3"])
    classifier.coef_, classifier.intercept_ = np.eye(3), np.zeros(3)
    (tmp_path / "ridge.npz").write_bytes(to_bytes(Pipeline([("classify", classifier)])))
    images = [
        ("val/n1/a.JPEG", np.array([3, 2, 1], np.float32)),  # right
        ("val/n1/b.JPEG", np.array([2, 3, 1], np.float32)),  # second best
        ("val/n1/c.JPEG", np.array([1, 2, 3], np.float32)),  # third best
        ("val/n3/d.JPEG", np.array([1, 1, 1], np.float32)),  # of equals the first are better
    ]

    result = run_job(
        MREvaluateModel, bundle(*records(images)),
        args=("--model", str(tmp_path / "ridge.npz"), "--top-k", "2"),
    )  # fmt: skip

    assert rows_of(result)["val/n1/b.JPEG"] == [("n2", 3.0), ("n1", 2.0)]
    assert sums_of(result, "val", "synset") == {("n1",): [3, 2, 1], ("n3",): [1, 1, 1]}
    assert sums_of(result, "val").keys() == {
        ("synset", "n1"), ("synset", "n3"), ("confusion", "n1", "n1"), ("confusion", "n1", "n2"),
        ("confusion", "n1", "n3"), ("confusion", "n3", "n1"),
    }  # fmt: skip


def test_with_a_tree_the_costs_add_up_to_those_of_the_rows(
    run_job: Any, bundle: Any, model: str, tmp_path: Path
) -> None:
    tree = tmp_path / "tree.txt"
    tree.write_text("all low\nlow n01\nlow n02\nall n03\nall n09\n")  # n04 is not in it

    result = run_job(
        MREvaluateModel, bundle(*records(IMAGES)),
        args=("--model", model, "--tree", str(tree), "--top-k", "2"),
    )  # fmt: skip

    def cost(truth: str, guess: str) -> int:
        return 0 if truth == guess else 1 if {truth, guess} == {"n01", "n02"} else 2

    rows = {key: [wnid for wnid, _ in best] for key, best in rows_of(result).items()}
    costs = [[cost(key.split("/")[1], guess) for guess in best] for key, best in rows.items()]
    assert sums_of(result, "val", "cost") == {
        (): [601, sum(best for best, _ in costs), sum(map(min, costs))]
    }


def test_no_images_to_score_need_no_model_that_fits(run_job: Any, bundle: Any, model: str) -> None:
    train = records([("train/n01/a.JPEG", np.zeros(2, np.float32))])

    result = run_job(MREvaluateModel, bundle(*train), args=("--model", model))

    assert result.lines == ["sum\tall\ttag\t0a1b2c3d\t1"]
    assert run_job(MREvaluateModel, bundle(name="empty"), args=("--model", model)).lines == []

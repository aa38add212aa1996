from __future__ import annotations

import io
import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import cv2
import numpy as np
import pytest

from models.evaluate import error_interval
from mr_jobs.lib.errors import DataError, JobError
from pipeline.evaluate_step import read_output
from pipeline.stores import LocalStore

WNIDS = ["n00000001", "n00000002", "n00000003"]
UNSEEN = "n00000009"  # it has validation images and not one to train on
WORDS = "".join(f"{wnid} word of {wnid}\n" for wnid in [*WNIDS, *(f"n1{n:07}" for n in range(90))])


def picture(number: int, index: int, size: tuple[int, int] = (40, 50)) -> bytes:
    rng = np.random.default_rng([number, index])
    image = rng.integers(0, 60, (*size, 3), np.uint8)
    image[..., number % 3] += np.uint8(120)
    return cv2.imencode(".jpg", image)[1].tobytes()


@pytest.fixture
def tree_data(tmp_path: Path) -> Path:
    """Write a small Kaggle tree: 3 of 93 synsets with training images, boxes, test images."""
    root = tmp_path / "tree"
    folder = root / "ILSVRC" / "Data" / "CLS-LOC"
    solution = ["ImageId,PredictionString"]
    for number, wnid in enumerate([*WNIDS, UNSEEN]):
        for index in range(10 if wnid in WNIDS else 0):
            path = folder / "train" / wnid / f"{wnid}_{index}.JPEG"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(picture(number, index))
        for index in range(4):
            name = f"ILSVRC2012_val_{4 * number + index + 1:08}"
            path = folder / "val" / f"{name}.JPEG"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(picture(number, 100 + index, (90 + 5 * index, 210)))
            solution.append(f"{name},{wnid} 0 0 {20 + 60 * index} 90 ")
    (folder / "test").mkdir()
    for index in range(5):
        name = f"ILSVRC2012_test_{index + 1:08}.JPEG"
        (folder / "test" / name).write_bytes(picture(index, 200))
    (root / "LOC_synset_mapping.txt").write_text(WORDS + f"{UNSEEN} never seen\n")
    (root / "LOC_val_solution.csv").write_text("\n".join(solution) + "\n")
    edges = [("top", "low"), ("low", WNIDS[0]), ("low", WNIDS[1]), ("top", WNIDS[2])]
    edges.append(("low", UNSEEN))
    (root / "wordnet.is_a.txt").write_text("".join(f"{a} {b}\n" for a, b in edges))
    return root


def rows_of(path: Path) -> dict[str, list[list[str]]]:
    """Read the predictions of a split: image key to its rows."""
    found: dict[str, list[list[str]]] = {}
    for line in path.read_text().splitlines():
        fields = line.split("\t")
        found.setdefault(fields[2], []).append(fields)
    return found


def test_a_run_on_a_part_of_the_synsets_is_evaluated_in_every_way(
    cli: Any, own_var: Path, tree_data: Path
) -> None:
    answer = cli("full", "--data", tree_data, "--runner", "inline", "--run-id", "r1", "--json")

    assert answer.code == 0, answer.err
    metrics, saved = answer.json(), own_var / "saved" / "r1"
    val = rows_of(own_var / "runs" / "r1" / "evaluate" / "predictions-val.tsv")
    assert list(val) == sorted(val, key=lambda key: key.rpartition("/")[2])
    assert len(val) == 16
    wrong = sum(rows[0][3] != rows[0][5] for rows in val.values())
    assert metrics["n_images"] == 16
    assert metrics["top1_error"] == wrong / 16
    assert metrics["top1_error_interval"] == pytest.approx(error_interval(wrong, 16))
    assert metrics["top5_error"] == 4 / 16  # of three synsets all are named, of the fourth none
    (warning,) = [text for text in metrics["warnings"] if UNSEEN in text]
    assert "4 validation images are of synsets without training images" in warning

    right = {frozenset(WNIDS[:2]), frozenset([WNIDS[0], UNSEEN]), frozenset([WNIDS[1], UNSEEN])}

    def cost(truth: str, guess: str) -> int:
        return 0 if truth == guess else 1 if {truth, guess} in right else 2

    costs = [[cost(row[3], row[5]) for row in rows] for rows in val.values()]
    assert metrics["hierarchical_cost"] == {
        "top1": sum(cost[0] for cost in costs) / 16,
        "topk": sum(map(min, costs)) / 16,
        "max_height": 2,
    }

    calibration = metrics["calibration"]
    assert sum(row["n_images"] for row in calibration["bins"]) == 16
    assert 0 <= calibration["expected_calibration_error"] <= 1
    by_size = {row["name"]: row["n_images"] for row in metrics["by_image_size"]}
    assert by_size == {"< 100 px": 8, "100 to 199 px": 8}
    by_box = {row["name"]: row["n_images"] for row in metrics["by_box_size"]}
    assert sum(by_box.values()) == 16
    assert by_box["< 10 %"] == 4

    confusion = [line.split("\t") for line in (saved / "confusion.tsv").read_text().splitlines()]
    assert sum(int(row[2]) for row in confusion[1:]) == 16
    submission = (saved / "submission.txt").read_text().splitlines()
    assert [line.split() for line in submission] == [
        [row[5] for row in rows] for rows in val.values()
    ]
    test = rows_of(own_var / "runs" / "r1" / "evaluate" / "predictions-test.tsv")
    assert [key.rpartition("_")[2] for key in test] == [f"{n:08}.JPEG" for n in range(1, 6)]
    assert (saved / "submission_test.txt").read_text().splitlines() == [
        " ".join(row[5] for row in rows) for rows in test.values()
    ]
    assert "test" not in metrics  # without labels there are no errors
    told = json.loads((own_var / "runs" / "r1" / "evaluate" / "evaluation.json").read_text())
    assert told["val"]["unknown_synsets"] == {UNSEEN: 4}
    assert told["test"]["n_unlabelled"] == 5
    assert not (own_var / "runs" / "r1" / "work" / "evaluate").exists()


def write_parts(root: Path, *parts: list[str]) -> LocalStore:
    (root / "out").mkdir(parents=True)
    for number, lines in enumerate(parts):
        (root / "out" / f"part-{number:05}").write_text("".join(f"{line}\n" for line in lines))
    return LocalStore(root)


def row(name: str, split: str = "val") -> str:
    return f"row\t{split}\t{name}\t{split}/n1/{name}\tn1\t0.5\tn2\t0.25"


def test_parts_are_merged_into_one_order_and_sums_added(tmp_path: Path) -> None:
    store = write_parts(
        tmp_path / "store",
        [row("a.JPEG"), row("c.JPEG"), "sum\tval\tconfusion\tn1\tn1\t3", "sum\tall\ttag\tx\t1"][:3],
        [row("t.JPEG", "test"), row("b.JPEG"), "sum\tall\ttag\tx\t4", "sum\tval\tlikelihood\t3 7"],
    )
    found = {"val": 0, "test": 0}

    tally = read_output(store, "out", tmp_path / "here", found)

    assert found == {"val": 3, "test": 1}
    assert tally.sums == {
        ("val", "confusion", "n1", "n1"): [3], ("val", "likelihood"): [3, 7],
        ("all", "tag", "x"): [4],
    }  # fmt: skip
    lines = (tmp_path / "here" / "predictions-val.tsv").read_text().splitlines()
    assert lines[:2] == [
        "a\tval\tval/n1/a.JPEG\tn1\t1\tn1\t0.5", "a\tval\tval/n1/a.JPEG\tn1\t2\tn2\t0.25",
    ]  # fmt: skip
    assert [line.split("\t")[0] for line in lines] == ["a", "a", "b", "b", "c", "c"]


def test_an_output_out_of_order_or_with_an_image_twice_is_refused(tmp_path: Path) -> None:
    unsorted = write_parts(tmp_path / "one", [row("b.JPEG"), row("a.JPEG")])
    twice = write_parts(tmp_path / "two", [row("a.JPEG")], [row("a.JPEG")])

    for store in (unsorted, twice):
        with pytest.raises(JobError, match="out of order"):
            read_output(store, "out", tmp_path / "here", {"val": 0})


def test_tasks_that_saw_shards_of_two_runs_are_refused(tmp_path: Path) -> None:
    store = write_parts(tmp_path, ["sum\tall\ttag\ta\t1"], ["sum\tall\ttag\tb\t4"])

    with pytest.raises(DataError, match=r"two different runs are mixed \(tags a, b\)"):
        read_output(store, "out", tmp_path / "here", {"val": 0})


class Endless(io.RawIOBase):
    """A sorted part of so many rows that is nowhere as a whole."""

    def __init__(self, n: int) -> None:
        self._lines: Iterator[bytes] = (f"{row(f'{i:08}.JPEG')}\n".encode() for i in range(n))

    def __iter__(self) -> Any:
        return self._lines


class MadeStore(LocalStore):
    def files(self, name: str) -> list[str]:
        return [name]

    def open(self, name: str) -> BinaryIO:
        return Endless(40_000)  # type: ignore[return-value]


def test_memory_does_not_grow_with_the_number_of_images(tmp_path: Path) -> None:
    found = {"val": 0}
    tracemalloc.start()
    try:
        read_output(MadeStore(tmp_path), "out", tmp_path / "here", found)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert found == {"val": 40_000}
    assert (tmp_path / "here" / "predictions-val.tsv").stat().st_size > 3_000_000
    assert peak < 300_000  # bytes; a list of the rows would be 10 MB

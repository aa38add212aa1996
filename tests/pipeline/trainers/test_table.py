"""The table of trainers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from models.predictions import Prediction
from models.report import prediction_lines
from mr_jobs.lib.errors import DataError
from mr_jobs.lib.imagenet import UNLABELLED, ImageKey
from pipeline.trainers.results import errors_of
from pipeline.trainers.table import lines, table_of

WNIDS = [f"n0000000{number}" for number in range(4)]


def predictions(n: int, wrong: set[int]) -> list[Prediction]:
    """Predict n images of the first synset; those in `wrong` are taken for the second."""
    right = tuple((wnid, 0.25) for wnid in WNIDS)
    swapped = (right[1], right[0], *right[2:])
    return [
        Prediction(ImageKey("val", WNIDS[0], f"{i:03}.JPEG"), swapped if i in wrong else right)
        for i in range(n)
    ]


def save(run_dir: Path, name: str, made: list[Prediction], **facts: Any) -> None:
    folder = run_dir / "trainers" / name
    folder.mkdir(parents=True)
    (folder / "predictions.tsv").write_text(
        "".join(f"{line}\n" for line in prediction_lines(made, 4))
    )
    result = {
        "trainer": name, "made": f"2026-01-01T00:00:0{len(name)}", "shards": "a", "top_k": 4,
        **errors_of(made, 4), "n_train_images": 1200, "n_features": 30,
        "seconds": {"start": 20.04, "train": 61.2, "predict": 3}, "peak_mib": 1234.5,
        "warnings": [], **facts,
    }  # fmt: skip
    (folder / "result.json").write_text(json.dumps(result))


def test_errors_are_of_labelled_images_with_their_intervals() -> None:
    made = predictions(10, {0, 1})
    made.append(Prediction(ImageKey("val", UNLABELLED, "x.JPEG"), made[0].best))

    errors = errors_of(made, 4)

    assert errors["n_images"] == 10
    assert errors["top1_error"] == 0.2
    assert errors["top4_error"] == 0.0
    low, high = errors["top1_error_interval"]
    assert low == pytest.approx(0.0567, abs=1e-3)  # Wilson's, of 2 in 10
    assert high == pytest.approx(0.5098, abs=1e-3)


def test_without_labels_errors_are_not_known(tmp_path: Path) -> None:
    made = [Prediction(ImageKey("val", UNLABELLED, "x.JPEG"), ((WNIDS[0], 1.0),))]
    save(tmp_path, "sklearn", made)

    row = list(lines(table_of(tmp_path)))[1]

    assert row.split()[:3] == ["sklearn", "-", "-"]


def test_the_table_has_a_row_a_trainer_and_says_what_may_be_chance(tmp_path: Path) -> None:
    save(tmp_path, "sklearn", predictions(100, set(range(10))))
    save(tmp_path, "better", predictions(100, set()), warnings=["was lucky"])
    save(tmp_path, "worse", predictions(100, set(range(5, 16))), peak_mib=None)

    table = list(lines(table_of(tmp_path, ["sklearn", "worse", "absent"])))

    assert [line.split()[0] for line in table[1:4]] == ["sklearn", "worse", "better"]
    assert table[0].split("  ")[0] == "trainer"
    assert table[1].split() == [
        "sklearn", "10.0%", "(5.5%", "to", "17.4%)", "0.0%", "20.0", "61.2", "3.0", "1,234",
    ]  # fmt: skip
    assert table[2].split()[-1] == "-"
    assert table[5] == "1,200 train images, 100 validation images, 30 features"
    assert table[6].startswith("sklearn and worse: only sklearn is wrong on 5, only worse on 6;")
    assert table[7].startswith("better is better: only sklearn is wrong on 10, only better on 0 of")
    assert table[8] == "better: was lucky"


def test_trainers_on_other_images_are_not_paired(tmp_path: Path) -> None:
    save(tmp_path, "sklearn", predictions(20, set()))
    save(tmp_path, "older", predictions(19, set()), shards="b")

    told = "\n".join(lines(table_of(tmp_path, ["sklearn"])))

    assert "these are of different shards" in told
    assert "sklearn and older were tested on different validation images" in told


def test_without_results_it_says_how_to_get_some(tmp_path: Path) -> None:
    (line,) = lines(table_of(tmp_path))

    assert line.startswith(f"no results of trainers yet; `bin/pipeline compare {tmp_path.name} ")


def test_a_result_of_other_types_is_one_sentence(tmp_path: Path) -> None:
    save(tmp_path, "sklearn", predictions(20, set()), seconds=[1])

    with pytest.raises(DataError, match="a table of it is damaged"):
        table_of(tmp_path)

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from models.artifact import Run, save
from models.dataset import Pair, index_classes
from models.evaluate import evaluate
from models.metrics import build_metrics
from models.predict import predict
from models.settings import ModelSettings
from models.train import fit
from mr_jobs.lib.errors import DataError
from mr_jobs.lib.features import FeatureSpec
from mr_jobs.lib.imagenet import ImageKey

SPEC = FeatureSpec(hsv_grids=(1,), lab_px=4)
COLOURS = {"n01": (200, 60, 40), "n02": (40, 190, 60), "n03": (50, 40, 210)}
WORDS = {"n01": "blue thing", "n02": "green thing", "n03": "red thing"}


def encode(wnid: str, number: int) -> bytes:
    random = np.random.default_rng(number)
    image: NDArray[np.uint8] = np.full((90, 120, 3), COLOURS[wnid], np.uint8)
    image[20:50, 10 + number : 60] = random.integers(0, 255, (30, 50 - number, 3), np.uint8)
    return cv2.imencode(".jpg", image)[1].tobytes()


def pairs_of(split: str, numbers: range) -> list[Pair]:
    return [
        (ImageKey(split, wnid, f"{wnid}_{number}.JPEG"), SPEC.extract(encode(wnid, number)))
        for number in numbers
        for wnid in COLOURS
    ]


@pytest.fixture(scope="module")
def run_dirs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    train, val = pairs_of("train", range(10)), pairs_of("val", range(10, 14))
    classes = index_classes(COLOURS)
    found = {}
    for kind in ("lda", "ridge"):
        fitted = fit(lambda: iter(train), classes, ModelSettings(kind=kind, shrinkage=0.5))
        result = evaluate(fitted.estimator, val, classes, 5)
        metrics = build_metrics({"run_id": kind, "steps": []}, fitted, result)
        run = Run(fitted, SPEC, metrics, result, None, WORDS, None, {}, {}, "")
        found[kind] = tmp_path_factory.mktemp("saved") / kind
        save(found[kind], run)
    return found


@pytest.fixture
def image_path(tmp_path: Path) -> Path:
    path = tmp_path / "a photograph.png"
    path.write_bytes(encode("n02", 12))
    return path


def test_an_image_gets_synset_names_with_probabilities(
    run_dirs: dict[str, Path], image_path: Path
) -> None:
    [prediction] = predict(run_dirs["lda"], [image_path])

    assert prediction.error is None
    assert prediction.best[0][:2] == ("n02", "green thing")
    assert sum(synset.score for synset in prediction.best) == pytest.approx(1.0)


def test_a_ridge_gives_decision_values(run_dirs: dict[str, Path], image_path: Path) -> None:
    [prediction] = predict(run_dirs["ridge"], [image_path], top_k=2)

    assert prediction.best[0].wnid == "n02"
    assert len(prediction.best) == 2


def test_an_image_of_the_data_scores_as_in_the_evaluation(
    run_dirs: dict[str, Path], image_path: Path
) -> None:
    [prediction] = predict(run_dirs["lda"], [image_path])

    rows = (run_dirs["lda"] / "predictions.tsv").read_text().splitlines()
    [row] = [row.split("\t") for row in rows if row.startswith("n02_12\t")]
    assert row[3::2] == [synset.wnid for synset in prediction.best]
    assert [float(score) for score in row[4::2]] == pytest.approx(
        [synset.score for synset in prediction.best], rel=1e-5
    )


def test_files_that_cannot_be_used_do_not_stop_the_others(
    run_dirs: dict[str, Path], image_path: Path, tmp_path: Path
) -> None:
    page, empty = tmp_path / "page.JPEG", tmp_path / "empty.JPEG"
    page.write_text("<html>")
    empty.touch()
    paths = [tmp_path / "none.JPEG", page, tmp_path, empty, image_path]

    predictions = list(predict(run_dirs["lda"], paths))

    assert [prediction.path for prediction in predictions] == paths
    assert [prediction.error for prediction in predictions] == [
        "No such file or directory",
        "not_an_image",
        "Is a directory",
        "empty",
        None,
    ]
    assert [bool(prediction.best) for prediction in predictions] == [False] * 4 + [True]


def test_a_model_of_other_feature_code_is_refused(
    run_dirs: dict[str, Path], image_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def another(self: Any) -> str:
        return "0123456789abcdef"

    monkeypatch.setattr(FeatureSpec, "fingerprint", another)

    with pytest.raises(DataError, match="another version of the feature code"):
        predict(run_dirs["lda"], [image_path])

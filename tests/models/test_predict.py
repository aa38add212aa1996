from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from models import predict as predicting
from models.artifact import CODEBOOKS, replace_file
from models.predict import ImageFile, ImagePrediction, predict, serve
from mr_jobs.lib.errors import DataError, ImageError
from mr_jobs.lib.features import FeatureSpec
from tests.models.made_model import LEARNED, PLAIN, codebooks_of, encode, save_model


@pytest.fixture(scope="module")
def run_dirs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("saved")
    return {kind: save_model(folder / kind, kind) for kind in ("lda", "ridge")}


def image(wnid: str, number: int = 12) -> ImageFile:
    return ImageFile(f"{wnid}_{number}.JPEG", lambda: encode(wnid, number))


def unusable(error: Exception) -> ImageFile:
    def read() -> bytes:
        raise error

    return ImageFile("broken", read)


def predictions(run_dir: Path, *images: ImageFile, top_k: int | None = None) -> Any:
    return list(predict(serve(run_dir), images, top_k))


def test_an_image_gets_synset_names_with_probabilities(run_dirs: dict[str, Path]) -> None:
    [prediction] = predictions(run_dirs["lda"], image("n02"))

    assert prediction.error is None
    assert prediction.path == "n02_12.JPEG"
    assert prediction.best[0][:2] == ("n02", "green thing")
    assert sum(synset.score for synset in prediction.best) == pytest.approx(1.0)


def test_a_ridge_gives_decision_values(run_dirs: dict[str, Path]) -> None:
    [prediction] = predictions(run_dirs["ridge"], image("n02"), top_k=2)

    assert prediction.best[0].wnid == "n02"
    assert len(prediction.best) == 2


def test_an_image_of_the_data_scores_as_in_the_evaluation(run_dirs: dict[str, Path]) -> None:
    [prediction] = predictions(run_dirs["lda"], image("n02"))

    rows = (run_dirs["lda"] / "predictions.tsv").read_text().splitlines()
    [row] = [row.split("\t") for row in rows if row.startswith("n02_12\t")]
    assert row[3::2] == [synset.wnid for synset in prediction.best]
    assert [float(score) for score in row[4::2]] == pytest.approx(
        [synset.score for synset in prediction.best], rel=1e-5
    )


def test_images_that_cannot_be_used_do_not_stop_the_others(run_dirs: dict[str, Path]) -> None:
    images = [
        ImageFile("page", lambda: b"<html>"),
        image("n01"),
        unusable(FileNotFoundError(2, "No such file or directory")),
        unusable(ImageError("too_large", "more than 32 MiB")),
        ImageFile("nothing", lambda: b""),
        image("n03"),
    ]

    found = predictions(run_dirs["lda"], *images)

    assert [prediction.path for prediction in found] == [image.name for image in images]
    assert [prediction.error for prediction in found] == [
        "not_an_image",
        None,
        "No such file or directory",
        "too_large: more than 32 MiB",
        "empty",
        None,
    ]
    assert [p.best[0].wnid if p.best else None for p in found] == [
        *(None, "n01", None, None, None, "n03")
    ]


def test_a_score_has_the_same_bits_whatever_is_predicted_with_it(
    run_dirs: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    images = [image(wnid, number) for number in range(3) for wnid in ("n01", "n02", "n03")]
    alone = [predictions(run_dirs["lda"], each)[0] for each in images]

    monkeypatch.setattr(predicting, "BATCH", 4)
    together = predictions(run_dirs["lda"], *images[:5], unusable(OSError("x")), *images[5:])

    assert [each for each in together if each.error is None] == alone


def test_images_are_read_when_their_predictions_are_wanted(
    run_dirs: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predicting, "BATCH", 2)
    drawn = []

    def images() -> Iterator[ImageFile]:
        for number in range(9):
            drawn.append(number)
            yield image("n01", number)

    found: Iterator[ImagePrediction] = predict(serve(run_dirs["lda"]), images())
    next(found)

    assert drawn == [0, 1]


def test_a_model_of_other_feature_code_is_refused(
    run_dirs: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FeatureSpec, "fingerprint", lambda *_: "0123456789abcdef")

    with pytest.raises(DataError, match="another version of the feature code"):
        serve(run_dirs["lda"])


def test_a_model_of_features_that_are_no_more_is_refused(tmp_path: Path) -> None:
    run_dir = save_model(tmp_path)
    info = json.loads((run_dir / "model.json").read_bytes())
    info["features"]["hog_cell_px"] = 8
    replace_file(run_dir, "model.json", json.dumps(info).encode())

    with pytest.raises(DataError, match="another version of the feature code"):
        serve(run_dir)


@pytest.mark.parametrize("seed", [None, 1])
def test_codebooks_that_are_not_the_models_own_are_refused(
    tmp_path: Path, seed: int | None
) -> None:
    run_dir = save_model(tmp_path, spec=LEARNED)
    other = codebooks_of(LEARNED, seed) if seed else codebooks_of(PLAIN)
    assert predictions(run_dir, image("n02"))[0].best

    replace_file(run_dir, CODEBOOKS, other.to_bytes())

    with pytest.raises(DataError, match="or with other codebooks than those beside it"):
        serve(run_dir)


def test_a_damaged_codebook_is_found_by_its_hash(tmp_path: Path) -> None:
    run_dir = save_model(tmp_path, spec=LEARNED)
    with (run_dir / CODEBOOKS).open("ab") as file:
        file.write(b"x")

    with pytest.raises(DataError, match=r"codebooks\.npz: sha256 differs"):
        serve(run_dir)

"""Name what is on image files with a saved model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from models.artifact import LoadedModel, load_model
from models.scores import best_classes, class_scores, shown_scores
from mr_jobs.lib.errors import DataError, ImageError
from mr_jobs.lib.features import FeatureSpec


class NamedSynset(NamedTuple):
    """A synset and its score: a probability or a decision value, as model.json's `scores` says."""

    wnid: str
    words: str
    score: float


class ImagePrediction(NamedTuple):
    """The best synsets of an image file, best first; or the reason why there are none."""

    path: Path
    best: list[NamedSynset]
    error: str | None


def predict(
    run_dir: Path, paths: Sequence[Path], top_k: int | None = None
) -> Iterator[ImagePrediction]:
    """Predict the synsets of image files; a file that cannot be used does not stop the others.

    Parameters
    ----------
    run_dir : of a saved run.
    paths : image files, of any format the jobs take.
    top_k : how many synsets an image; None means as many as the run's own evaluation.

    Raises
    ------
    DataError
        The model is damaged, or was made with another version of the feature code.
    ConfigError
        This machine lacks what the model's images were decoded with.
    """
    model = load_model(run_dir)
    spec = FeatureSpec.from_dict(model.info["features"])
    if spec.fingerprint() != model.info["features_fingerprint"]:
        raise DataError(
            f"{run_dir}: the model was made with another version of the feature code or of OpenCV; "
            "use the versions in its manifest.json, or train it anew"
        )
    spec.repair.require()
    k = model.info["top_k"] if top_k is None else top_k
    return (_predict_one(model, spec, path, k) for path in paths)


def _predict_one(model: LoadedModel, spec: FeatureSpec, path: Path, k: int) -> ImagePrediction:
    try:
        vector = spec.extract(path.read_bytes())
    except ImageError as error:
        return ImagePrediction(path, [], str(error))
    except OSError as error:
        return ImagePrediction(path, [], error.strerror or str(error))
    scores = class_scores(model.estimator, vector[None])
    shown = shown_scores(model.estimator, scores)[0]
    classes = model.info["classes"]
    best = [
        NamedSynset(classes[label]["wnid"], classes[label]["words"], float(shown[label]))
        for label in best_classes(scores, k)[0]
    ]
    return ImagePrediction(path, best, None)

"""Name what is on images with a saved model, by the code of the jobs: the same vectors, scores."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from models.artifact import load_model
from mr_jobs.lib.codebooks import Codebooks
from mr_jobs.lib.errors import ConfigError, DataError, ImageError
from mr_jobs.lib.features import FeatureSpec
from mr_jobs.lib.features.base import Vector
from mr_jobs.one_thread import one_thread
from mr_jobs.scoring import best_of_block, new_block

BATCH = 64  # images that are scored together, and held in memory as vectors


class Served(NamedTuple):
    """A saved model, and what its vectors are made with."""

    estimator: Pipeline
    info: dict[str, Any]  # model.json
    spec: FeatureSpec
    codebooks: Codebooks

    def words(self, wnid: str) -> str:
        """Return the words of a class."""
        return next(str(c["words"]) for c in self.info["classes"] if c["wnid"] == wnid)

    def vector(self, encoded: bytes) -> Vector:
        """Compute the vector of an encoded image: float32 of shape (n_features,).

        Raises
        ------
        ImageError
            As `repair.decode_repaired`.
        """
        with one_thread():  # as a task has
            return self.spec.extract(encoded, self.codebooks)


class ImageFile(NamedTuple):
    """An image by its name, and what reads its bytes, or raises an ImageError or OSError."""

    name: str
    read: Callable[[], bytes]


class NamedSynset(NamedTuple):
    """A synset and its score: a probability or a decision value, as model.json's `scores` says."""

    wnid: str
    words: str
    score: float


class ImagePrediction(NamedTuple):
    """The best synsets of an image file, best first; or the reason why there are none."""

    path: str
    best: list[NamedSynset]
    error: str | None


def serve(run_dir: Path) -> Served:
    """Load the model of a saved run, and see that this machine makes its vectors.

    Raises
    ------
    DataError
        The model is damaged, or was made with another version of the feature code.
    ConfigError
        This machine lacks what the model's images were decoded with.
    """
    model = load_model(run_dir)
    another = (
        f"{run_dir}: the model was made with another version of the feature code or of OpenCV, or "
        "with other codebooks than those beside it; use the versions in its manifest.json, or "
        "train it anew"
    )
    try:
        spec = FeatureSpec.from_dict(model.info["features"])
    except ConfigError as error:  # it knows other features, or other parameters of them
        raise DataError(another) from error
    if spec.fingerprint(model.codebooks) != model.info["features_fingerprint"]:
        raise DataError(another)
    spec.require(model.codebooks)
    spec.repair.require()
    return Served(model.estimator, model.info, spec, model.codebooks)


def predict(
    served: Served, images: Iterable[ImageFile], top_k: int | None = None
) -> Iterator[ImagePrediction]:
    """Predict the synsets of images; one that cannot be used does not stop the others.

    Parameters
    ----------
    served : the model.
    images : any number of images, of any format the jobs take; 64 at a time are looked at.
    top_k : how many synsets an image; None means as many as the run's own evaluation.
    """
    k = served.info["top_k"] if top_k is None else top_k
    block = new_block(served.spec.n_features)
    classes = [(each["wnid"], each["words"]) for each in served.info["classes"]]
    left = iter(images)
    while batch := list(islice(left, BATCH)):
        errors = _fill(block, served, batch)
        found = iter(best_of_block(served.estimator, block, errors.count(None), k))
        for image, error in zip(batch, errors, strict=True):
            best = [] if error else next(found)
            named = [NamedSynset(*classes[label], score) for label, score in best]
            yield ImagePrediction(image.name, named, error)


def _fill(block: NDArray[Any], served: Served, batch: list[ImageFile]) -> list[str | None]:
    """Put the vectors of the images that can be used into a block; return why the others cannot."""
    errors: list[str | None] = []
    for image in batch:
        try:
            vector = served.vector(image.read())
        except ImageError as error:
            errors.append(str(error))
        except OSError as error:
            errors.append(error.strerror or str(error))
        else:
            block[errors.count(None)] = vector
            errors.append(None)
    return errors

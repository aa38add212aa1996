"""Save a run to a directory that says all about itself, verify it, and load its model.

The manifest's hashes show damage, not forgery: whoever changes a model can change its manifest. So
what is loaded of a directory is data only, whoever made it: `model.npz`, arrays of which the model
is made anew (`mr_jobs.model_file`), and JSON. `model.joblib` is for other programs, which load it
with joblib. It is a pickle, and loading it runs what is in it: this project never does.
"""

from __future__ import annotations

import json
import platform
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import joblib
from sklearn.pipeline import Pipeline

from models.evaluate import Evaluation
from models.manifest import (
    MANIFEST,
    MODEL,
    MODEL_INFO,
    check,
    listed,
    read_checked,
    read_manifest,
    write_manifest,
)
from models.predictions import read_predictions
from models.report import (
    confusion_lines,
    prediction_lines,
    submission_labels,
    submission_lines,
    synset_lines,
)
from models.train import Fit
from mr_jobs.lib.codebooks import NO_CODEBOOKS, Codebooks
from mr_jobs.lib.errors import DataError
from mr_jobs.lib.features import FeatureSpec
from mr_jobs.lib.imagenet import is_wnid
from mr_jobs.lib.plain_files import parse_json, write_new
from mr_jobs.lib.scores import gives_probabilities
from mr_jobs.model_file import MODEL_ARRAYS, from_bytes, to_bytes

CODEBOOKS = "codebooks.npz"
_PACKAGES = ("numpy", "scipy", "scikit-learn", "joblib", "opencv-python-headless", "mrjob")


@dataclass(frozen=True)
class Run:
    """Everything of a run that is worth keeping.

    Parameters
    ----------
    fit : the trained model.
    features : parameters of the vectors it was trained on.
    metrics : of `metrics.build_metrics`; goes to metrics.json as it is.
    val, test : evaluations; `test` may be unlabelled or absent.
    words : synset words by wnid.
    ilsvrc_ids : of the devkit's map_clsloc.txt, if the data has one.
    parameters : pipeline.toml as it was used.
    versions : of what is not a Python package, such as hadoop.
    data_fingerprint : hash of the data set.
    predictions : the files of `predictions.read_predictions`, by split.
    codebooks : of the learned features.
    """

    fit: Fit
    features: FeatureSpec
    metrics: Mapping[str, Any]
    val: Evaluation
    test: Evaluation | None
    words: Mapping[str, str]
    ilsvrc_ids: Mapping[str, int] | None
    parameters: Mapping[str, Any]
    versions: Mapping[str, str]
    data_fingerprint: str
    predictions: Mapping[str, Path]
    codebooks: Codebooks = field(default_factory=Codebooks)


class LoadedModel(NamedTuple):
    """A model of a run: a fitted scikit-learn pipeline, its model.json, its codebooks."""

    estimator: Pipeline
    info: dict[str, Any]
    codebooks: Codebooks


def save(
    run_dir: Path, run: Run, add: Callable[[Path], None] = lambda directory: None
) -> dict[str, Any]:
    """Write a run directory, verified, in one step: it is there and complete, or not there.

    Parameters
    ----------
    run_dir : the new directory.
    run : what is written.
    add : is given the directory when all else is in it, to add files that are made from the others.

    Returns
    -------
    The manifest.

    Raises
    ------
    DataError
        The directory exists, or the disk refuses.
    """
    if run_dir.exists():
        raise DataError(f"{run_dir} exists already; delete it or choose another --run-id")
    partial = run_dir.with_name(f".{run_dir.name}.partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)  # of a run that was killed
        partial.mkdir(parents=True)
        for name, lines in _texts(run).items():
            with (partial / name).open("w", encoding="utf-8", newline="\n") as file:
                file.writelines(f"{line}\n" for line in lines)
        joblib.dump(run.fit.estimator, partial / MODEL, compress=1)
        (partial / MODEL_ARRAYS).write_bytes(to_bytes(run.fit.estimator))
        if run.codebooks:
            (partial / CODEBOOKS).write_bytes(run.codebooks.to_bytes())
        write_manifest(partial, _manifest(partial, run))
        add(partial)
        manifest = _manifest(partial, run)
        write_manifest(partial, manifest)
        verify(partial)
        partial.rename(run_dir)
    except OSError as error:
        raise DataError(
            f"{run_dir} cannot be written ({error.strerror}); free space or choose another place"
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return manifest


def _texts(run: Run) -> dict[str, Iterable[str]]:
    _, labels = submission_labels(run.val.wnids, run.ilsvrc_ids)
    val = run.predictions["val"]
    texts: dict[str, Iterable[str]] = {
        MODEL_INFO: [_json(_model_info(run))],
        "metrics.json": [_json(run.metrics)],
        "predictions.tsv": prediction_lines(read_predictions(val), run.val.top_k),
        "submission.txt": submission_lines(read_predictions(val), labels),
        "synsets.tsv": synset_lines(run.val, run.words),
        "confusion.tsv": confusion_lines(run.val),
    }
    if run.test is not None and (run.test.n_images or run.test.n_unlabelled):
        test = run.predictions["test"]
        texts["predictions_test.tsv"] = prediction_lines(read_predictions(test), run.test.top_k)
        texts["submission_test.txt"] = submission_lines(read_predictions(test), labels)
    return texts


def _model_info(run: Run) -> dict[str, Any]:
    estimator = run.fit.estimator
    return {
        "classes": [
            {"class_index": index, "wnid": wnid, "words": run.words.get(wnid, wnid)}
            for index, wnid in enumerate(run.val.wnids)
        ],
        "features": run.features.to_dict(),
        "features_fingerprint": run.features.fingerprint(run.codebooks),
        "n_features": run.fit.n_features,
        "n_train_images": run.fit.n_images,
        "hyper_parameters": run.fit.hyper_parameters,
        "top_k": run.val.top_k,
        "scores": "posterior probability, not calibrated"
        if gives_probabilities(estimator)
        else "decision value",
        "submission_labels": submission_labels(run.val.wnids, run.ilsvrc_ids)[0],
        "synthetic": bool(run.metrics.get("synthetic")),
    }


def _manifest(directory: Path, run: Run) -> dict[str, Any]:
    files = {}
    for path in sorted(directory.iterdir()):
        if path.name != MANIFEST:
            files[path.name] = listed(path.read_bytes())
    packages = {package: version(package) for package in _PACKAGES}
    return {
        "run_id": run.metrics.get("run_id"),
        "files": files,
        "versions": {"python": platform.python_version(), **packages, **run.versions},
        "parameters": dict(run.parameters),
        "data_fingerprint": run.data_fingerprint,
    }


def replace_file(run_dir: Path, name: str, content: bytes) -> None:
    """Put a file that is made from the others into a saved run, and list it in the manifest.

    Raises
    ------
    DataError
        If it is not a saved run, or the disk refuses.
    """
    manifest = read_manifest(run_dir)
    manifest["files"] = dict(sorted({**manifest["files"], name: listed(content)}.items()))
    part = run_dir / f".{name}.part"
    try:
        write_new(part, content)
        part.rename(run_dir / name)
        write_manifest(run_dir, manifest)
    except OSError as error:
        raise DataError(
            f"{run_dir / name} cannot be written ({error.strerror}); write it elsewhere with "
            "--output FILE"
        ) from error


def verify(run_dir: Path) -> dict[str, Any]:
    """Hash every file that the manifest names, and return the manifest.

    Raises
    ------
    DataError
        A file is missing or differs, or the directory is not a saved run.
    """
    manifest = read_manifest(run_dir)
    for name in manifest["files"]:
        check(run_dir, manifest, name)
    return manifest


def load_model(run_dir: Path) -> LoadedModel:
    """Load the model of a run directory, after its bytes have proved to be those saved.

    Nothing is unpickled, so that the directory may be a stranger's.

    Parameters
    ----------
    run_dir : the directory, or the model in it.

    Raises
    ------
    DataError
        The sha256 of a file of the model differs, it is not a saved run, or one of older code,
        which saved the model as a pickle alone.
    """
    run_dir = run_dir.parent if run_dir.name in (MODEL, MODEL_ARRAYS) else run_dir
    manifest = read_manifest(run_dir)
    if MODEL_ARRAYS not in manifest["files"]:
        raise DataError(
            f"{run_dir}: the model is saved as {MODEL} alone, a pickle, which could run any "
            "program and is not loaded; train the model anew"
        )
    check(run_dir, manifest, MODEL)
    name = str(run_dir / MODEL_ARRAYS)
    content = read_checked(run_dir, manifest, MODEL_ARRAYS)  # what is checked is what is loaded
    estimator = from_bytes(content, name)
    info = _model_info_of(read_checked(run_dir, manifest, MODEL_INFO), run_dir / MODEL_INFO)
    if [each["wnid"] for each in info["classes"]] != estimator.classes_.tolist():
        raise DataError(f"{name} is of other classes than {MODEL_INFO}; train the model anew")
    codebooks = NO_CODEBOOKS
    if CODEBOOKS in manifest["files"]:
        content = read_checked(run_dir, manifest, CODEBOOKS)
        codebooks = Codebooks.from_bytes(content, str(run_dir / CODEBOOKS))
    return LoadedModel(estimator, info, codebooks)


def _model_info_of(content: bytes, path: Path) -> dict[str, Any]:
    """Read model.json, as far as a model is used by it."""
    try:
        info = dict(parse_json(content))
        classes = [(each["wnid"], each["words"]) for each in info["classes"]]
        is_fit = all(is_wnid(wnid) and isinstance(words, str) for wnid, words in classes)
        is_fit = is_fit and isinstance(info["features_fingerprint"], str)
        is_fit = is_fit and isinstance(info["features"], dict)
        if not is_fit or type(info["top_k"]) is not int or info["top_k"] < 1:
            raise TypeError
    except (ValueError, TypeError, KeyError) as error:
        raise DataError(f"{path} is damaged; train the model anew") from error
    return info


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)

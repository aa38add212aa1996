"""Save a run to a directory that says all about itself, verify it, and load its model.

The manifest's hashes show damage, not forgery: whoever can change a model can change its manifest.
Load models only from people you would run programs of.
"""

from __future__ import annotations

import hashlib
import io
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
from mr_jobs.lib.scores import gives_probabilities

MODEL, MODEL_INFO, MANIFEST = "model.joblib", "model.json", "manifest.json"
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
        if run.codebooks:
            (partial / CODEBOOKS).write_bytes(run.codebooks.to_bytes())
        _write_manifest(partial, _manifest(partial, run))
        add(partial)
        manifest = _manifest(partial, run)
        _write_manifest(partial, manifest)
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
            files[path.name] = _listed(path.read_bytes())
    packages = {package: version(package) for package in _PACKAGES}
    return {
        "run_id": run.metrics.get("run_id"),
        "files": files,
        "versions": {"python": platform.python_version(), **packages, **run.versions},
        "parameters": dict(run.parameters),
        "data_fingerprint": run.data_fingerprint,
    }


def _listed(content: bytes) -> dict[str, Any]:
    return {"bytes": len(content), "sha256": _sha256(content)}


def _write_manifest(directory: Path, manifest: Mapping[str, Any]) -> None:
    part = directory / f".{MANIFEST}.part"
    part.write_text(_json(manifest) + "\n", encoding="utf-8")
    part.rename(directory / MANIFEST)


def replace_file(run_dir: Path, name: str, content: bytes) -> None:
    """Put a file that is made from the others into a saved run, and list it in the manifest.

    Raises
    ------
    DataError
        If it is not a saved run, or the disk refuses.
    """
    manifest = _read_manifest(run_dir)
    manifest["files"] = dict(sorted({**manifest["files"], name: _listed(content)}.items()))
    part = run_dir / f".{name}.part"
    try:
        part.write_bytes(content)
        part.rename(run_dir / name)
        _write_manifest(run_dir, manifest)
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
    manifest = _read_manifest(run_dir)
    for name in manifest["files"]:
        _read_checked(run_dir, manifest, name)
    return manifest


def load_model(run_dir: Path) -> LoadedModel:
    """Load the model of a run directory, after its bytes have proved to be those saved.

    Parameters
    ----------
    run_dir : the directory, or its model.joblib.

    Raises
    ------
    DataError
        The sha256 of the model differs (nothing is unpickled then), or it is not a saved run.
    """
    run_dir = run_dir.parent if run_dir.name == MODEL else run_dir
    manifest = _read_manifest(run_dir)
    info = json.loads(_read_checked(run_dir, manifest, MODEL_INFO))
    pickled = _read_checked(run_dir, manifest, MODEL)  # the bytes checked are the bytes loaded
    codebooks = NO_CODEBOOKS
    if CODEBOOKS in manifest["files"]:
        content = _read_checked(run_dir, manifest, CODEBOOKS)
        codebooks = Codebooks.from_bytes(content, str(run_dir / CODEBOOKS))
    return LoadedModel(joblib.load(io.BytesIO(pickled)), info, codebooks)


def _read_manifest(run_dir: Path) -> dict[str, Any]:
    path = run_dir / MANIFEST
    try:
        manifest = json.loads(path.read_bytes())
        files = {name: str(facts["sha256"]) for name, facts in manifest["files"].items()}
    except OSError as error:
        raise DataError(
            f"{run_dir} is not a saved run ({MANIFEST}: {error.strerror}); list them with "
            "`bin/pipeline runs`"
        ) from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError(f"{path} is damaged; train the model anew") from error
    for name in files:
        if name != Path(name).name or "\\" in name or name in ("", ".", ".."):
            raise DataError(f"{path} names {name!r}, which is outside the run's directory")
    if missing := {MODEL, MODEL_INFO} - set(files):
        raise DataError(f"{path} does not list {', '.join(sorted(missing))}; train the model anew")
    return dict(manifest)


def _read_checked(run_dir: Path, manifest: Mapping[str, Any], name: str) -> bytes:
    path = run_dir / name
    if path.is_symlink():
        raise DataError(f"{path} is a link, which no saved run has; train the model anew")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(
            f"{path} cannot be read ({error.strerror}); train the model anew"
        ) from error
    found, expected = _sha256(content), manifest["files"][name]["sha256"]
    if found != expected:
        raise DataError(
            f"{path}: sha256 differs from {MANIFEST} (is {found[:12]}…, was {expected[:12]}…); "
            "the file was changed after it was saved, restore it or train the model anew"
        )
    return content


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)

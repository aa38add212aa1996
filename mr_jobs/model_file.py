"""A fitted model as a file of arrays: whatever is in it, reading it runs nothing.

A pickle, such as joblib writes, is a program that is run by loading it. So what this project loads
is this file alone: of each step of the pipeline its class, one of a short list, its parameters as
JSON, and the arrays that it scores with. The steps are made anew from them.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from importlib import import_module
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mr_jobs.lib.errors import DataError
from mr_jobs.lib.imagenet import is_wnid
from mr_jobs.lib.npz import read_npz
from mr_jobs.lib.plain_files import parse_json

MODEL_ARRAYS = "model.npz"
MAX_MODEL_BYTES = 8 << 30
_FACTS, _FORMAT = "facts", 1
_ARRAYS = ("coef_", "intercept_", "classes_")
_SCALES = ("scale_", "mean_", "var_")
# Module, and the arrays that a step of the class scores with. No step has other ones, and what
# scikit-learn keeps beside them for itself is of no use after the fit.
_CLASSES = {
    "StandardScaler": ("sklearn.preprocessing", _SCALES),
    "LinearDiscriminantAnalysis": ("sklearn.discriminant_analysis", _ARRAYS),
    "RidgeClassifier": ("sklearn.linear_model", _ARRAYS),
    "SGDClassifier": ("sklearn.linear_model", _ARRAYS),
}


def to_bytes(model: Any) -> bytes:  # noqa: ANN401  # a scikit-learn pipeline
    """Write a fitted pipeline of StandardScaler and LDA, ridge or SGD, in NumPy's .npz format.

    Raises
    ------
    ValueError
        It is made of something else.
    """
    steps, arrays = [], {}
    for number, (name, step) in enumerate(model.steps):
        kind = type(step).__name__
        if kind not in _CLASSES:
            raise ValueError(f"a model with a {kind} cannot be saved")
        parameters = {k: v for k, v in step.get_params(deep=False).items() if _is_plain(v)}
        steps.append({"name": name, "class": kind, "parameters": parameters})
        for array in _CLASSES[kind][1]:
            value = getattr(step, array)
            if value is not None:  # the mean of a scaler that does not centre
                texts = np.asarray(value).dtype.kind in "OU"
                arrays[f"{number}.{array}"] = np.asarray(value, np.str_ if texts else None)
    facts = json.dumps({"format": _FORMAT, "steps": steps}).encode()
    file = io.BytesIO()
    np.savez(file, **{_FACTS: np.frombuffer(facts, np.uint8)}, **arrays)  # type: ignore[arg-type]
    return file.getvalue()


def from_bytes(content: bytes, name: str) -> Any:  # noqa: ANN401  # a scikit-learn pipeline
    """Make the pipeline of `to_bytes` anew; `name` is for the error.

    Raises
    ------
    DataError
        It is no such file, or its arrays do not fit each other.
    """
    from sklearn.pipeline import Pipeline  # its import takes a second

    try:
        arrays = read_npz(content)
        facts = parse_json(arrays.pop(_FACTS).tobytes())
        if facts["format"] != _FORMAT:
            raise ValueError(f"format {facts['format']!r} is not known here")
        steps = [
            (str(step["name"]), _made(step, number, arrays))
            for number, step in enumerate(facts["steps"])
        ]
        _check(steps)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        told = (str(error).splitlines() or [""])[0] or type(error).__name__
        raise DataError(f"{name} is not a model ({told[:200]}); train it anew") from error
    return Pipeline(steps)


def load_model(path: Path) -> Any:  # noqa: ANN401  # a scikit-learn pipeline
    """Read a file of `to_bytes`, see `from_bytes`."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror})") from error
    return from_bytes(content, str(path))


def _is_plain(value: object) -> bool:
    return value is None or (
        isinstance(value, bool | int | float | str)
        and (not isinstance(value, float) or isfinite(value))
    )


def _made(step: Mapping[str, Any], number: int, arrays: Mapping[str, NDArray[Any]]) -> Any:  # noqa: ANN401
    """Make a step of a pipeline with its parameters and arrays."""
    module, names = _CLASSES[step["class"]]
    if not all(_is_plain(value) for value in step["parameters"].values()):
        raise ValueError("a parameter is no plain value")
    made = getattr(import_module(module), step["class"])(**step["parameters"])
    for name in names:
        array = arrays.get(f"{number}.{name}")
        if array is None and name in _SCALES:
            setattr(made, name, None)
        elif array is None:
            raise ValueError(f"it has no {name}")
        elif name != "classes_":
            if array.dtype.kind != "f":
                raise ValueError(f"{name} is not of numbers")
            setattr(made, name, array)
        elif array.dtype.kind != "U" or not all(is_wnid(str(wnid)) for wnid in array):
            raise ValueError("its classes are not names of classes")
        else:
            made.classes_ = array
            if step["class"] == "RidgeClassifier":
                from sklearn.preprocessing import LabelBinarizer  # which it predicts with

                made._label_binarizer = LabelBinarizer(pos_label=1, neg_label=-1).fit(array)
    made.n_features_in_ = int(arrays[f"{number}.{names[0]}"].shape[-1])
    return made


def _check(steps: list[tuple[str, Any]]) -> None:
    """Raise a ValueError unless the steps' arrays fit each other, and the last one classifies."""
    *scalers, (_, last) = steps
    if type(last).__name__ == "StandardScaler":
        raise ValueError("it has no classifier")
    n_features, n_classes = last.n_features_in_, len(last.classes_)
    if n_classes < 2 or (last.classes_[1:] <= last.classes_[:-1]).any():
        raise ValueError("its classes are not two or more, sorted")
    n_rows = 1 if n_classes == 2 else n_classes
    shapes = [(np.atleast_2d(last.coef_), (n_rows, n_features)), (last.intercept_, (n_rows,))]
    for _, step in scalers:
        if (step.with_mean and step.mean_ is None) or (step.with_std and step.scale_ is None):
            raise ValueError("a scaler has no scale")
        shapes += [(getattr(step, name), (n_features,)) for name in _SCALES]
    if any(array is not None and array.shape != shape for array, shape in shapes):
        raise ValueError("the shapes of its arrays differ")

"""A model is made of arrays that are all there and fit each other, or not at all."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest

from models.artifact import load_model
from mr_jobs.lib.codebooks import Codebooks
from mr_jobs.lib.errors import DataError
from mr_jobs.lib.npz import read_npz
from mr_jobs.model_file import from_bytes, to_bytes
from tests.models.forged import claiming, npz, put
from tests.models.made_model import LEARNED, save_model


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("saved"), spec=LEARNED)


@pytest.fixture
def run_dir(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "run"))


@pytest.mark.parametrize(
    "array",
    [
        claiming("(1 << 40,)"),
        claiming("(1099511627776,)"),
        claiming("(1099511627776, 1099511627776)"),
        claiming("(-1,)"),
        claiming("(0,)", "'|V0'"),
        claiming("(1,)", "'|O'"),
        claiming("(1,)", "[('a', '<f8')]"),
        claiming("(" * 4000),
        claiming("[" * 4000),
        b"\x93NUMPY\x09\x00",
        b"",
    ],
)
def test_arrays_that_claim_more_than_there_is_are_refused_before_memory_is_taken(
    run_dir: Path, array: bytes
) -> None:
    arrays = read_npz((run_dir / "model.npz").read_bytes())
    put(run_dir, "model.npz", npz({**arrays, "1.coef_": array}))

    with pytest.raises(DataError, match="is not a model"):
        load_model(run_dir)


def test_compressed_arrays_are_refused(run_dir: Path) -> None:
    arrays: dict[str, Any] = dict(read_npz((run_dir / "codebooks.npz").read_bytes()))
    bomb = npz({**arrays, "x": np.zeros(10_000_000)}, compression=zipfile.ZIP_DEFLATED)
    assert len(bomb) < 1 << 20

    with pytest.raises(DataError, match="it is compressed"):
        from_bytes(bomb, "model.npz")
    with pytest.raises(DataError, match="it is compressed"):
        Codebooks.from_bytes(bomb, "codebooks.npz")


def _facts(change: Callable[[Any], None]) -> Callable[[dict[str, Any]], None]:
    def of(arrays: dict[str, Any]) -> None:
        facts = json.loads(arrays["facts"].tobytes())
        change(facts)
        arrays["facts"] = np.frombuffer(json.dumps(facts).encode(), np.uint8)

    return of


@pytest.mark.parametrize(
    "change",
    [
        lambda arrays: arrays.pop("facts"),
        lambda arrays: arrays.pop("1.coef_"),
        lambda arrays: arrays.pop("1.intercept_"),
        lambda arrays: arrays.pop("1.classes_"),
        lambda arrays: arrays.pop("0.mean_"),
        lambda arrays: arrays.update({"facts": np.frombuffer(b"[" * 100_000, np.uint8)}),
        lambda arrays: arrays.update({"facts": np.frombuffer(b"[]", np.uint8)}),
        lambda arrays: arrays.update({"1.coef_": np.zeros(())}),
        lambda arrays: arrays.update({"1.coef_": np.zeros((3, 1))}),
        lambda arrays: arrays.update({"1.coef_": np.array(["a"])}),
        lambda arrays: arrays.update({"1.intercept_": np.zeros(2)}),
        lambda arrays: arrays.update({"1.classes_": np.zeros(3)}),
        lambda arrays: arrays.update({"1.classes_": np.array(["n03", "n02", "n01"])}),
        lambda arrays: arrays.update({"1.classes_": np.array(["n01", "n02", "n/3"])}),
        lambda arrays: arrays.update({"1.classes_": np.array(["n01", "n02", "\x1b[2J"])}),
        lambda arrays: arrays.update({"0.scale_": np.zeros(2)}),
        _facts(lambda facts: facts.update(format=2)),
        _facts(lambda facts: facts["steps"].pop()),
        _facts(lambda facts: facts.update(steps=[])),
        _facts(lambda facts: facts["steps"][0].update({"class": "os.system"})),
        _facts(lambda facts: facts["steps"][0].update({"class": ["StandardScaler"]})),
        _facts(lambda facts: facts["steps"][0].update({"parameters": {"with_std": ["x"]}})),
        _facts(lambda facts: facts["steps"][0].update({"parameters": {"evil": 1}})),
        _facts(lambda facts: facts["steps"][0].update({"parameters": 7})),
    ],
)  # fmt: skip
def test_arrays_that_make_no_model_are_one_sentence(
    run_dir: Path, change: Callable[[dict[str, Any]], Any]
) -> None:
    arrays: dict[str, Any] = dict(read_npz((run_dir / "model.npz").read_bytes()))
    change(arrays)
    put(run_dir, "model.npz", npz(arrays))

    with pytest.raises(DataError, match="is not a model"):
        load_model(run_dir)


@pytest.mark.parametrize("kind", ["lda", "ridge", "sgd"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_arrays_score_to_the_bits_of_the_model_they_are_of(
    tmp_path: Path, kind: str, n_classes: int
) -> None:
    run_dir = save_model(tmp_path, kind=kind, n_classes=n_classes)
    pickled, loaded = joblib.load(run_dir / "model.joblib"), load_model(run_dir).estimator
    X = np.random.default_rng(0).random((50, loaded[0].n_features_in_), np.float32)

    assert (loaded.decision_function(X) == pickled.decision_function(X)).all()
    assert (loaded.predict(X) == pickled.predict(X)).all()
    assert loaded[-1].get_params() == pickled[-1].get_params()
    assert to_bytes(loaded) == (run_dir / "model.npz").read_bytes()

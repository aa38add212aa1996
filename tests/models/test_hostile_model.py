"""A saved model may be a stranger's: whatever is in its directory, nothing of it is run."""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest

from models.artifact import load_model, replace_file, verify
from models.predict import serve
from mr_jobs.lib.errors import DataError
from mr_jobs.lib.npz import read_npz
from tests.models.forged import Payload, edit, npz, put
from tests.models.made_model import LEARNED, save_model


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("saved"), spec=LEARNED)


@pytest.fixture
def run_dir(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "run"))


def test_a_pickle_in_a_forged_directory_is_never_run(run_dir: Path, tmp_path: Path) -> None:
    place = tmp_path / "pwned"
    file = io.BytesIO()
    joblib.dump(Payload(place), file)
    put(run_dir, "model.joblib", file.getvalue())

    serve(run_dir)
    verify(run_dir)
    replace_file(run_dir, "report.html", b"")

    assert not place.exists()
    joblib.load(run_dir / "model.joblib")
    assert place.exists()  # so it would have been


@pytest.mark.parametrize("name", ["model.npz", "codebooks.npz"])
def test_a_pickle_in_place_of_arrays_is_never_run(run_dir: Path, tmp_path: Path, name: str) -> None:
    place = tmp_path / "pwned"
    payload = Payload(place)
    arrays = dict(read_npz((run_dir / name).read_bytes()))
    objects: Any = np.empty(1, object)
    objects[0] = payload
    for content in (
        pickle.dumps(payload),
        npz({**arrays, "0.mean_": objects}),
        npz({**arrays, "facts": objects}),
        npz({**arrays, "0.mean_": pickle.dumps(payload)}),
    ):
        put(run_dir, name, content)

        with pytest.raises(DataError, match=r"train it anew|learn them anew"):
            load_model(run_dir)

    assert not place.exists()


def test_a_model_that_is_a_pickle_alone_is_refused_with_the_reason(run_dir: Path) -> None:
    (run_dir / "model.npz").unlink()
    manifest = json.loads((run_dir / "manifest.json").read_text())
    del manifest["files"]["model.npz"]
    (run_dir / "manifest.json").write_text(json.dumps(manifest))

    with pytest.raises(DataError, match="a pickle, which could run any program"):
        load_model(run_dir)


@pytest.mark.parametrize(
    "change",
    [
        lambda info: info.pop("classes"),
        lambda info: info.update(classes=7),
        lambda info: info["classes"].pop(),
        lambda info: info["classes"].reverse(),
        lambda info: info["classes"][0].update(wnid="../x"),
        lambda info: info["classes"][0].update(wnid=["n01"]),
        lambda info: info["classes"][0].update(words=7),
        lambda info: info.update(top_k="5"),
        lambda info: info.update(top_k=-1),
        lambda info: info.update(features=[]),
        lambda info: info["features"].update(image_px=1 << 40),
        lambda info: info["features"].update(features=["evil"]),
        lambda info: info.update(features_fingerprint=None),
    ],
)
def test_a_description_that_does_not_fit_the_model_is_one_sentence(
    run_dir: Path, change: Callable[[Any], None]
) -> None:
    edit(run_dir, "model.json", change)

    with pytest.raises(DataError, match=r"is damaged|other classes|another version"):
        serve(run_dir)


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "{" * 5, "\ud800", '{"files": {"model.joblib": {"sha256": 7}}}', "[]"]
)
@pytest.mark.parametrize("name", ["manifest.json", "model.json"])
def test_json_that_is_nested_to_hurt_is_one_sentence(run_dir: Path, name: str, text: str) -> None:
    content = text.encode("utf-8", "surrogatepass")
    if name == "manifest.json":
        (run_dir / name).write_bytes(content)
    else:
        put(run_dir, name, content)

    with pytest.raises(DataError, match="is damaged"):
        load_model(run_dir)


@pytest.mark.parametrize("name", ["a\x1bb", "a\nb", "\ud800", "a\0b", ".hidden", "x" * 300])
def test_a_manifest_names_plain_files_only(run_dir: Path, name: str) -> None:
    manifest = json.loads((run_dir / "manifest.json").read_text())
    manifest["files"][name] = {"sha256": ""}
    (run_dir / "manifest.json").write_text(json.dumps(manifest))

    with pytest.raises(DataError, match="outside the run's directory") as refused:
        verify(run_dir)

    assert str(refused.value).isprintable()


@pytest.mark.parametrize("name", ["manifest.json", "model.json", "model.npz", "model.joblib"])
@pytest.mark.parametrize("kind", ["pipe", "link", "device", "folder"])
def test_a_pipe_link_or_device_among_the_files_is_refused_at_once(
    run_dir: Path, name: str, kind: str
) -> None:
    path = run_dir / name
    path.rename(run_dir / "elsewhere")
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero" if kind == "device" else run_dir / "elsewhere")

    with pytest.raises(DataError, match="is a link, a pipe or a device"):
        load_model(run_dir)


def test_a_link_beside_a_file_that_is_replaced_is_not_followed(
    run_dir: Path, tmp_path: Path
) -> None:
    mine = tmp_path / "mine"
    mine.write_text("mine")
    for name in (".report.html.part", ".manifest.json.part", "report.html"):
        (run_dir / name).symlink_to(mine)

    replace_file(run_dir, "report.html", b"page")

    assert mine.read_text() == "mine"
    assert (run_dir / "report.html").read_text() == "page"
    assert not (run_dir / "report.html").is_symlink()

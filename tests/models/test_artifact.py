import errno
import hashlib
import json
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest

from models.artifact import Run, load_model, replace_file, save, verify
from models.metrics import build_metrics
from mr_jobs.lib.errors import DataError
from mr_jobs.lib.features import FeatureSpec
from mr_jobs.lib.imagenet import ImageKey
from tests.models.scored import fitted, scored

FILES = [
    "confusion.tsv",
    "manifest.json",
    "metrics.json",
    "model.joblib",
    "model.json",
    "model.npz",
    "predictions.tsv",
    "predictions_test.tsv",
    "submission.txt",
    "submission_test.txt",
    "synsets.tsv",
]


@pytest.fixture
def make_run(make_pairs: Any, tmp_path: Path) -> Any:
    def make(*, ilsvrc_ids: dict[str, int] | None = None, synthetic: bool = False) -> Run:
        train, val = make_pairs(60, 6), make_pairs(30, 6, split="val", seed=1, spread=6.0)
        test = [(ImageKey("test", "unlabelled", key.file_name), vector) for key, vector in val[:4]]
        made = fitted(train)
        result, val_rows = scored(made.estimator, val, tmp_path / "rows" / "val.tsv")
        tested, test_rows = scored(made.estimator, test, tmp_path / "rows" / "test.tsv")
        facts = {
            "run_id": "r1",
            "run_dir": "models/saved/r1",
            "data": "some | data",
            "synthetic": synthetic,
            "runner": "inline",
            "counts": {
                "images": 99,
                "kept": 96,
                "quarantined": {"empty": 2, "undecodable": 1},
                "repaired": {"cmyk": 4, "format_png": 1},
            },
            "steps": [{"name": "train", "seconds": 1.25}],
        }
        return Run(
            fit=made,
            features=FeatureSpec(),
            metrics=build_metrics(facts, made, result),
            val=result,
            test=tested,
            words={"n00000000": "tench, Tinca tinca"},
            ilsvrc_ids=ilsvrc_ids,
            parameters={"model": {"kind": "lda"}},
            versions={"hadoop": "3.4.2"},
            data_fingerprint="f" * 64,
            predictions={"val": val_rows, "test": test_rows},
        )

    return make


def test_a_saved_run_is_complete_and_verified(make_run: Any, tmp_path: Path) -> None:
    run_dir = tmp_path / "saved" / "r1"

    manifest = save(run_dir, make_run())

    assert verify(run_dir) == manifest
    assert sorted(path.name for path in run_dir.iterdir()) == FILES
    for name, facts in manifest["files"].items():
        content = (run_dir / name).read_bytes()
        assert facts == {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    assert manifest["versions"]["hadoop"] == "3.4.2"
    assert manifest["versions"]["numpy"] == np.__version__
    assert [path.name for path in run_dir.parent.iterdir()] == ["r1"]


def test_the_loaded_model_predicts_as_the_one_that_was_saved(make_run: Any, tmp_path: Path) -> None:
    run = make_run()
    save(tmp_path / "r1", run)
    X = np.random.default_rng(0).random((20, 6), np.float32)

    model = load_model(tmp_path / "r1")

    expected = run.fit.estimator.decision_function(X)
    assert (model.estimator.decision_function(X) == expected).all()
    assert model.info["classes"][0] == {
        "class_index": 0,
        "wnid": "n00000000",
        "words": "tench, Tinca tinca",
    }
    assert load_model(tmp_path / "r1" / "model.joblib").info == model.info


def test_a_changed_model_is_refused_before_it_is_unpickled(
    make_run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path / "r1", make_run())
    path = tmp_path / "r1" / "model.joblib"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    loaded: list[object] = []
    monkeypatch.setattr(joblib, "load", loaded.append)

    with pytest.raises(DataError, match="sha256 differs"):
        load_model(tmp_path / "r1")

    assert loaded == []


@pytest.mark.parametrize("name", ["metrics.json", "submission.txt", "predictions.tsv"])
def test_verify_finds_any_changed_or_missing_file(make_run: Any, tmp_path: Path, name: str) -> None:
    save(tmp_path / "r1", make_run())
    (tmp_path / "r1" / name).write_text("x")
    with pytest.raises(DataError, match=f"{name}: sha256 differs"):
        verify(tmp_path / "r1")

    (tmp_path / "r1" / name).unlink()
    with pytest.raises(DataError, match=f"{name} cannot be read"):
        verify(tmp_path / "r1")


@pytest.mark.parametrize("name", ["../model.joblib", "/etc/passwd", "..", "", "a/b", "a\\b"])
def test_a_manifest_that_names_files_elsewhere_is_refused(
    make_run: Any, tmp_path: Path, name: str
) -> None:
    save(tmp_path / "r1", make_run())
    path = tmp_path / "r1" / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["files"][name] = {"bytes": 0, "sha256": "0"}
    path.write_text(json.dumps(manifest))

    with pytest.raises(DataError, match="outside the run's directory"):
        load_model(tmp_path / "r1")


def test_a_link_in_place_of_the_model_is_refused(make_run: Any, tmp_path: Path) -> None:
    save(tmp_path / "r1", make_run())
    model = tmp_path / "r1" / "model.joblib"
    model.rename(tmp_path / "elsewhere")
    model.symlink_to(tmp_path / "elsewhere")

    with pytest.raises(DataError, match="is a link"):
        load_model(tmp_path / "r1")


@pytest.mark.parametrize(
    ("manifest", "sentence"),
    [
        (None, "not a saved run"),
        ("{", "is damaged"),
        ("[]", "is damaged"),
        ('{"files": {"model.joblib": 3}}', "is damaged"),
        ('{"files": {}}', r"does not list model\.joblib, model\.json"),
    ],
)
def test_a_directory_that_is_no_run_is_refused(
    tmp_path: Path, manifest: str | None, sentence: str
) -> None:
    if manifest is not None:
        (tmp_path / "manifest.json").write_text(manifest)

    with pytest.raises(DataError, match=sentence):
        load_model(tmp_path)


def test_a_run_is_never_overwritten(make_run: Any, tmp_path: Path) -> None:
    run = make_run()
    save(tmp_path / "r1", run)

    with pytest.raises(DataError, match="exists already"):
        save(tmp_path / "r1", run)


def test_what_a_killed_save_left_does_not_matter(make_run: Any, tmp_path: Path) -> None:
    left = tmp_path / ".r1.partial"
    left.mkdir()
    (left / "rubbish").touch()

    save(tmp_path / "r1", make_run())

    assert not (tmp_path / "r1" / "rubbish").exists()
    assert not left.exists()


def test_a_full_disk_leaves_nothing_and_says_so(
    make_run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(joblib, "dump", refuse)

    with pytest.raises(DataError, match="No space left on device"):
        save(tmp_path / "r1", make_run())

    assert [path.name for path in tmp_path.iterdir()] == ["rows"]


def test_predictions_are_sorted_by_image_id(make_run: Any, tmp_path: Path) -> None:
    save(tmp_path / "r1", make_run())

    head, *rows = (tmp_path / "r1" / "predictions.tsv").read_text().splitlines()

    assert head.split("\t")[:5] == ["image_id", "image_key", "wnid", "wnid_1", "score_1"]
    assert len(rows) == 30
    assert rows == sorted(rows)
    fields = rows[0].split("\t")
    assert fields[:3] == ["val_000000", "val/n00000000/val_000000.JPEG", "n00000000"]
    scores = [float(score) for score in fields[4::2]]
    assert scores == sorted(scores, reverse=True)
    assert sum(scores) == pytest.approx(1.0, abs=1e-4)  # all three classes: probabilities


def test_a_submission_has_ilsvrc_ids_where_the_data_has_them(make_run: Any, tmp_path: Path) -> None:
    ids = {"n00000000": 449, "n00000001": 450, "n00000002": 442}
    save(tmp_path / "r1", make_run(ilsvrc_ids=ids))
    predictions = (tmp_path / "r1" / "predictions.tsv").read_text().splitlines()[1:]

    lines = (tmp_path / "r1" / "submission.txt").read_text().splitlines()

    assert lines == [
        " ".join(str(ids[wnid]) for wnid in row.split("\t")[3::2]) for row in predictions
    ]
    assert len((tmp_path / "r1" / "submission_test.txt").read_text().splitlines()) == 4
    model = json.loads((tmp_path / "r1" / "model.json").read_text())
    assert model["submission_labels"] == "ilsvrc_id"


@pytest.mark.parametrize("ilsvrc_ids", [None, {"n00000000": 449}])
def test_a_submission_has_wnids_where_an_ilsvrc_id_is_missing(
    make_run: Any, tmp_path: Path, ilsvrc_ids: dict[str, int] | None
) -> None:
    save(tmp_path / "r1", make_run(ilsvrc_ids=ilsvrc_ids))

    labels = set((tmp_path / "r1" / "submission.txt").read_text().split())

    assert labels == {"n00000000", "n00000001", "n00000002"}


def test_what_is_added_to_a_run_is_listed_and_sees_the_rest(make_run: Any, tmp_path: Path) -> None:
    seen: list[str] = []

    def add(directory: Path) -> None:
        seen.extend(sorted(path.name for path in directory.iterdir()))
        (directory / "page.html").write_text("<p>")

    manifest = save(tmp_path / "r1", make_run(), add)

    assert seen == FILES
    assert "page.html" in verify(tmp_path / "r1")["files"]
    assert list(manifest["files"]) == sorted({*FILES, "page.html"} - {"manifest.json"})


def test_an_addition_that_fails_leaves_nothing(make_run: Any, tmp_path: Path) -> None:
    def add(_: Path) -> None:
        raise DataError("no page today")

    with pytest.raises(DataError, match="no page today"):
        save(tmp_path / "saved" / "r1", make_run(), add)

    assert list((tmp_path / "saved").iterdir()) == []


def test_a_file_that_is_made_anew_is_listed_anew(make_run: Any, tmp_path: Path) -> None:
    save(tmp_path / "r1", make_run())

    replace_file(tmp_path / "r1", "page.html", b"first")
    replace_file(tmp_path / "r1", "page.html", b"second, longer")

    assert verify(tmp_path / "r1")["files"]["page.html"]["bytes"] == 14
    assert sorted(path.name for path in (tmp_path / "r1").iterdir()) == sorted(
        [*FILES, "page.html"]
    )


def test_metrics_json_is_what_was_measured(make_run: Any, tmp_path: Path) -> None:
    run = make_run()
    save(tmp_path / "r1", run)

    assert json.loads((tmp_path / "r1" / "metrics.json").read_text()) == run.metrics

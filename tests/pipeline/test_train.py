"""The step `train`: jobs over the shards."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest

from models.dataset import index_classes, merge_parts
from models.settings import ModelSettings
from models.train import Fit, fit
from mr_jobs.lib.records import ShardKey
from mr_jobs.lib.sequencefile import open_reader
from pipeline.full import open_context
from pipeline.progress import Progress
from pipeline.runs import load_run
from pipeline.step import do_step
from pipeline.train_step import TRAIN
from tests.pipeline.bundles import write

STEPS = ("codebook", "features", "split")


def records_of(path: Path) -> list[tuple[Any, Any]]:
    with open_reader(path) as reader:
        return [record[:2] for record in reader.records()]


@pytest.fixture
def divided(cli: Any, folder_data: Any, own_var: Path) -> Path:
    """Take 3 classes to shards, of which one is made; return their directory."""
    assert cli("ingest", folder_data(n_images=90), "--runner", "inline", "--run-id", "r1").code == 0
    for step in STEPS:
        answer = cli(step, "--run-id", "r1")
        assert answer.code == 0, answer.err
    shards = own_var / "runs" / "r1" / "work" / "shards"
    paths = sorted(shards.glob("part-*"))
    records = [record for path in paths for record in records_of(path)]
    write(paths[0], sorted(records))
    for path in paths[1:]:
        path.unlink()
    return shards


@pytest.fixture
def train(divided: Path) -> Callable[..., Fit]:
    """Do the step with other settings, on any runner of this machine."""

    def do(runner: str, **model: Any) -> Fit:
        run = load_run("r1")
        assert run
        run.runner = runner
        run.config["model"] = {**run.config["model"], **model}
        do_step(TRAIN, open_context(run, None), Progress("train"))
        made: Fit = joblib.load(run.dir / "train" / "fit.joblib")
        return made

    return do


def divide(path: Path, n: int) -> None:
    """Make n shards of one."""
    records = records_of(path)
    for number in range(n):
        piece = path.with_name(f"{path.name}-{number}")
        piece.write_bytes(path.read_bytes())
        write(piece, records[number::n])
    path.unlink()


@pytest.mark.parametrize("kind", ["lda", "ridge"])
def test_the_model_is_the_same_bits_for_1_4_and_16_shards_and_on_both_runners(
    train: Any, divided: Path, kind: str
) -> None:
    first = train("inline", kind=kind)
    divide(next(divided.glob("part-*")), 4)
    second = train("local", kind=kind)
    for path in sorted(divided.glob("part-*")):
        divide(path, 4)
    third = train("inline", kind=kind)

    assert len(list(divided.glob("part-*"))) == 16
    for other in (second, third):
        assert other.hyper_parameters == first.hyper_parameters
        assert other.estimator[-1].coef_.tobytes() == first.estimator[-1].coef_.tobytes()
        assert other.estimator[0].mean_.tobytes() == first.estimator[0].mean_.tobytes()
    assert first.hyper_parameters["selection"]["n_images"] > 20
    assert not (divided.parent / "training").exists()


def test_the_model_is_that_of_the_vectors_in_memory(train: Any, divided: Path) -> None:
    made = train("inline", shrinkage=0.3, select_features=False)

    with open_reader(next(divided.glob("part-*"))) as reader:
        pairs = list(merge_parts([reader], "train"))
    classes = index_classes(key.wnid for key, _ in pairs)
    settings = ModelSettings(shrinkage=0.3, select_features=False)
    theirs = fit(lambda: iter(pairs), classes, settings).estimator
    X = np.stack([vector for _, vector in pairs])
    assert made.estimator.predict(X).tolist() == theirs.predict(X).tolist()
    assert made.estimator[-1].coef_.shape == theirs[-1].coef_.shape


@pytest.mark.parametrize("model", [{"kind": "sgd"}, {"shrinkage": "ledoit-wolf"}])
def test_every_kind_of_model_is_made_by_jobs_twice_the_same(train: Any, model: Any) -> None:
    made, again = train("inline", **model), train("inline", **model)

    assert made.n_images > 150
    assert made.estimator[-1].coef_.tobytes() == again.estimator[-1].coef_.tobytes()


def test_a_condition_leaves_images_out_of_every_pass(cli: Any, divided: Path) -> None:
    keys = [ShardKey.parse(key.decode()) for key, _ in records_of(next(divided.glob("part-*")))]
    left = [key for key in keys if key.split == "train" and not key.image.image_id.endswith("_3")]

    answer = cli("train", "--run-id", "r1", "--where", r"image_id NOT LIKE '%\_3'", "--json")

    assert answer.code == 0, answer.err
    assert len(keys) - len(left) > 0
    assert answer.json()["n_images"] == len(left)


def test_shards_of_another_run_among_those_of_this_one_are_refused(cli: Any, divided: Path) -> None:
    (path,) = divided.glob("part-*")
    records = records_of(path)
    other = divided / "part-00001"
    other.write_bytes(path.read_bytes())
    keys = [ShardKey.parse(key.decode())._replace(tag="01234567") for key, _ in records]
    write(other, [(str(key).encode(), records[row][1]) for row, key in enumerate(keys)])

    answer = cli("train", "--run-id", "r1")

    assert answer.code == 5
    assert "shards of two different runs are mixed" in answer.err
    assert "Traceback" not in answer.err

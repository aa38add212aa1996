"""Trainers on the shards of a run on this machine, each in a process of its own."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mr_jobs.lib.errors import DataError, JobError
from pipeline import extras
from pipeline.runs import load_run
from pipeline.trainers import registry, results, work
from pipeline.trainers.base import Trainer


def made_trainer(name: str, extra: str | None = None) -> Trainer:
    """Stand for one that the child's process has."""
    return Trainer(name, "of a test", extra, lambda task: pytest.fail("runs in the child only"))


def train(name: str) -> dict[str, Any]:
    run = load_run("r1")
    assert run is not None
    return work.train(work.context_with_shards(run), made_trainer(name))


def test_our_own_trainer_predicts_what_the_run_did_and_is_done_once(
    cli: Any, kept_run: Path
) -> None:
    answer = cli("compare", "r1", "--trainers", "sklearn", "--json")

    assert answer.code == 0, answer.err
    (facts,) = answer.json()["trainers"]
    folder = kept_run / "trainers" / "sklearn"
    predictions = (folder / "predictions.tsv").read_bytes()
    assert predictions == (kept_run / "predictions.tsv").read_bytes()
    metrics = json.loads((kept_run / "metrics.json").read_text())
    for name in ("top1_error", "top5_error", "top1_error_interval", "n_images"):
        assert facts[name] == metrics[name], name
    assert facts["n_train_images"] == metrics["model"]["n_train_images"]
    assert facts["seconds"].keys() == {"train", "predict"}
    assert 30 < facts["peak_mib"] < 2000
    names = {path.name for path in folder.iterdir()}
    assert names == {"result.json", "predictions.tsv", "model.npz", "model.joblib"}

    again = cli("compare", "r1", "--trainers", "sklearn", "--json").json()["trainers"]
    assert again == [facts]  # the time of making among them
    anew = cli("compare", "r1", "--trainers", "sklearn", "--again", "--json").json()["trainers"]
    assert anew[0]["seconds"] != facts["seconds"] or anew[0]["made"] != facts["made"]


def test_a_trainer_is_given_its_images_and_seen_from_outside(kept_run: Path) -> None:
    facts = train("first")

    counts = json.loads((kept_run / "metrics.json").read_text())["counts"]
    assert facts["n_train_images"] == counts["train"]
    assert facts["n_images"] == counts["val"]
    assert facts["warnings"] == ["is a test"]
    assert facts["peak_mib"] > 300  # its ballast
    folder = kept_run / "trainers" / "first"
    assert (folder / "model.txt").read_text() == "n00000000"
    own = (kept_run / "predictions.tsv").read_text().splitlines()
    lines = (folder / "predictions.tsv").read_text().splitlines()
    assert [line.split("\t")[:3] for line in lines] == [line.split("\t")[:3] for line in own]


@pytest.mark.parametrize(
    ("name", "kind", "sentence"),
    [
        ("failing", DataError, "^the moon is not full$"),
        ("dying", JobError, "ended with code 7"),
        ("lazy", JobError, "trainer lazy: predicted 0 validation images, there should be"),
    ],
)
def test_what_a_trainer_meets_is_told_and_leaves_nothing(
    kept_run: Path, name: str, kind: type[Exception], sentence: str
) -> None:
    with pytest.raises(kind, match=sentence):
        train(name)

    assert list((kept_run / "trainers").iterdir()) == []


def test_a_failure_leaves_the_result_that_was_there(kept_run: Path) -> None:
    before = train("first")
    (kept_run / "trainers" / "first").rename(kept_run / "trainers" / "failing")
    with pytest.raises(DataError):
        train("failing")

    path = kept_run / "trainers" / "failing" / "result.json"
    assert json.loads(path.read_text()) == before


def test_a_missing_extra_is_named_before_anything_is_trained(
    cli: Any, kept_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(extras.MODULES, "spark", "no_such_module_is_installed")
    monkeypatch.setitem(registry.TRAINERS, "first", made_trainer("first"))
    monkeypatch.setitem(registry.TRAINERS, "other", made_trainer("other", "spark"))

    answer = cli("compare", "r1", "--trainers", "first,other")

    assert answer.code == 2
    assert "the trainer other needs the extra spark: bin/setup --extra spark" in answer.err
    assert not (kept_run / "trainers").exists()


def test_shards_that_are_gone_are_refused_with_what_to_do(
    cli: Any, kept_run: Path, own_var: Path
) -> None:
    shutil.rmtree(own_var / "runs" / "r1" / "work")

    answer = cli("compare", "r1", "--trainers", "sklearn")

    assert answer.code == 2
    assert "the shards of run r1 went when the run was finished" in answer.err
    assert "--runner inline --keep`" in answer.err


def test_shards_that_went_with_their_cluster_are_refused_with_what_to_do(
    cli: Any, kept_run: Path
) -> None:
    run = load_run("r1")
    assert run is not None
    run.runner, run.cluster = "hadoop", "no-such-cluster"
    run.save()

    answer = cli("compare", "r1", "--trainers", "sklearn")

    assert answer.code == 2
    assert "the shards of run r1 went with the cluster no-such-cluster" in answer.err


def test_results_are_shown_also_when_the_shards_are_gone(
    cli: Any, kept_run: Path, own_var: Path
) -> None:
    cli("compare", "r1", "--trainers", "sklearn")
    shutil.rmtree(own_var / "runs" / "r1" / "work")

    shown = cli("compare", "r1")
    asked = cli("compare", "r1", "--trainers", "sklearn")

    assert shown.code == asked.code == 0
    assert shown.out == asked.out
    assert shown.out.splitlines()[1].startswith("sklearn")


def test_other_shards_make_a_result_old(
    cli: Any, kept_run: Path, folder_data: Callable[..., Path]
) -> None:
    cli("compare", "r1", "--trainers", "sklearn")
    path = kept_run / "trainers" / "sklearn" / "result.json"
    facts = json.loads(path.read_text())
    path.write_text(json.dumps({**facts, "shards": "of before"}))

    result = cli("compare", "r1", "--trainers", "sklearn", "--json").json()

    assert result["trainers"][0]["shards"] == facts["shards"]


def test_a_run_that_is_not_saved_is_refused(cli: Any, kept_run: Path) -> None:
    shutil.rmtree(kept_run)

    answer = cli("compare", "r1", "--trainers", "sklearn")

    assert answer.code == 2
    assert "run r1 is not saved yet" in answer.err


def test_a_damaged_result_is_one_sentence(cli: Any, kept_run: Path) -> None:
    folder = kept_run / "trainers" / "sklearn"
    folder.mkdir(parents=True)
    (folder / results.RESULT).write_text('{"trainer": "sklearn", "made": 3}')

    answer = cli("compare", "r1")

    assert answer.code == 5
    assert "result.json is damaged; remove" in answer.err

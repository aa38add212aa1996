"""What of the trainers `h2o-glm` and `h2o-gbm` needs no H2O."""

from __future__ import annotations

import hashlib
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from mr_jobs.lib.errors import ConfigError, DataError
from mr_jobs.lib.records import ShardKey
from pipeline import extras
from pipeline.trainers import h2o, h2o_frames, h2o_models, h2o_server, registry
from pipeline.trainers.base import Record, Task
from tests.pipeline.trainers.test_h2o_avro import read_avro


def record(split: str, wnid: str, number: int, place: float, tag: str = "-") -> Record:
    key = f"{split}\t{int(place * (1 << 56)):014x}\t{split}/{wnid}/{number}.JPEG\t{tag}"
    return ShardKey.parse(key), np.array([number, 0.5], np.float32)


def task_of(train: list[Record], val: list[Record]) -> Task:
    def records(split: str) -> Iterator[Record]:
        yield from {"train": train, "val": val}[split]

    facts: dict[str, Any] = {
        "classes": ["n01", "n02"],
        "held_out_from": 0.5,
        "n_val": len(val),
        "records": records,
    }
    return cast(Task, SimpleNamespace(**facts))


def written(path: Path) -> list[tuple[float, ...]]:
    return [row for block in read_avro(path.read_bytes())[1] for row in block]


def test_the_images_are_written_with_their_class_and_part(tmp_path: Path) -> None:
    train = [
        record("train", "n01", 1, 0.1),
        record("train", "n02", 2, 0.4),
        record("train", "n02", 3, 0.6),
    ]
    val = [record("val", "n02", 4, 0.2), record("val", "-", 5, 0.3)]  # one without a label

    made = h2o_frames.write(task_of(train, val), tmp_path / "vectors")

    assert written(made.train) == [(0, 0, 1.0, 0.5), (1, 0, 2.0, 0.5), (1, 1, 3.0, 0.5)]
    assert written(made.val) == [(0, 4.0, 0.5), (1, 5.0, 0.5)]
    assert [key.file_name for key in made.keys] == ["4.JPEG", "5.JPEG"]
    assert (made.n_train, made.n_features) == (3, 2)
    assert made.n_of(held_out=True) == 1
    assert made.classes_of(held_out=False) == {0, 1}


def test_shards_of_two_runs_are_refused(tmp_path: Path) -> None:
    train = [record("train", "n01", 1, 0.1, "a"), record("train", "n02", 2, 0.1, "b")]
    with pytest.raises(DataError, match="two different runs"):
        h2o_frames.write(task_of(train, []), tmp_path / "vectors")


def test_few_images_or_a_class_that_is_all_held_out_choose_nothing(tmp_path: Path) -> None:
    def can_choose(*counts: tuple[int, bool, int]) -> bool:
        made = h2o_frames.Written(tmp_path, tmp_path)
        for label, held_out, n in counts:
            made.parts[label, held_out] += n
        return h2o_models.can_choose(made)

    assert can_choose((0, False, 100), (1, False, 100), (0, True, 30))
    assert not can_choose((0, False, 100), (1, False, 49), (0, True, 30))
    assert not can_choose((0, False, 100), (1, False, 100))
    assert not can_choose((0, False, 200), (1, True, 30))


def test_the_rounds_with_the_least_held_out_loss_are_taken() -> None:
    def model(rounds: list[int], losses: list[float]) -> Any:
        history = {"number_of_trees": rounds, "validation_logloss": losses}
        return SimpleNamespace(_model_json={"output": {"scoring_history": history}})

    rising = model([0, 5, 10, 15], [0.1, 1.5, 1.25, 1.3])  # of no trees at all does not count
    assert h2o_models.best_rounds(rising) == (1.25, 10)
    assert h2o_models.best_rounds(model([0], [2.3])) == (None, 1)
    assert h2o_models.too_few(rising, 15) == []
    assert "15 of 40 rounds" in h2o_models.too_few(rising, 40)[0]


def test_vectors_that_do_not_fit_into_memory_are_refused_before_a_server_starts(
    tmp_path: Path,
) -> None:
    made = h2o_frames.Written(tmp_path, tmp_path, n_features=5000)
    made.parts[0, False] = 2000
    needed = h2o.heap_mb(made, available=1 << 20)

    assert 800 < needed < 4000
    made.parts[0, False] *= 10
    assert h2o.heap_mb(made, available=1 << 20) > needed
    with pytest.raises(ConfigError, match=r"20000 \+ 0 images of 5000 values; 4000 MiB are free"):
        h2o.heap_mb(made, available=4000)
    assert h2o.available_mb() > 100


def test_the_server_listens_on_loopback_alone_and_asks_for_a_password(tmp_path: Path) -> None:
    told = h2o_server.arguments(tmp_path, "r1 h2o-glm", 900, 2, 40000, Path("h2o.jar"))
    given = dict(pairwise(told))

    assert given["-ip"] == given["-web_ip"] == "127.0.0.1"
    assert {"-disable_net", "-disable_flow", "-hash_login", "-Xmx900m"} <= set(told)
    assert given["-nthreads"] == "2"
    assert "**" not in given["-file_deny_glob"]  # a partial result is in a hidden directory
    assert "-Dpipeline.token=r1 h2o-glm" in told
    for name in ("-ice_root", "-log_dir", "-login_conf"):
        assert Path(given[name]).parent == tmp_path
    assert f"-Djava.io.tmpdir={tmp_path / 'tmp'}" in told
    again = h2o_server.arguments(tmp_path, "r1 h2o-glm", 900, 2, 40000, Path("h2o.jar"))
    assert again[again.index("-name") + 1] != given["-name"]


def test_the_password_is_nowhere_as_it_is_and_its_file_is_ours_alone(tmp_path: Path) -> None:
    h2o_server.write_login(tmp_path, "s3cret")

    path = tmp_path / h2o_server.LOGIN
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    digest = hashlib.md5(b"s3cret", usedforsecurity=False).hexdigest()
    assert path.read_text() == f"pipeline: MD5:{digest}\n"


def test_a_free_port_can_be_listened_on() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", h2o_server.free_port()))


def test_without_java_the_sentence_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(ConfigError, match=r"Java 17.*JAVA_HOME=.*`bin/setup` installs it"):
        h2o_server.find_java()


@pytest.mark.parametrize("name", ["h2o-glm", "h2o-gbm"])
def test_without_the_extra_the_sentence_says_what_to_install(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(extras.MODULES, "h2o", "no_such_module_is_installed")
    (trainer,) = registry.named(name)

    with pytest.raises(ConfigError, match=f"trainer {name} needs the extra h2o: bin/setup --extra"):
        registry.require_extra(trainer)


def test_the_trainers_are_known_without_the_extra() -> None:
    code = "import sys; sys.modules['h2o'] = None; import pipeline.trainers.registry as r; "
    code += "print(*r.TRAINERS)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"h2o-glm", "h2o-gbm"} <= set(done.stdout.split())

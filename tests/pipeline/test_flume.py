"""Landing files of a killed agent are closed, those of the one that runs are not touched."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mr_jobs.lib.errors import ClusterError, ConfigError
from pipeline import flume
from pipeline.cluster import Cluster
from pipeline.flume import Landing
from pipeline.progress import Progress
from pipeline.stores import LocalStore
from tests.pipeline.test_cluster_components import write_mark

STARTED_MS = 2000


@pytest.fixture
def landing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Return a landing folder on this machine, whose agent answers, or not."""

    def make(*files: str, running: bool = True, waiting: int = 0) -> tuple[Landing, Path]:
        program, folder = tmp_path / "hadoop", tmp_path / "landing"
        folder.mkdir()
        for name in files:
            (folder / name).touch()
        program.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\n')
        program.chmod(0o755)
        place = tmp_path / "one"
        write_mark(
            place, hadoop_bin=str(program), flume_url="http://127.0.0.1:1",
            flume_landing="/imagenet/landing", drop_dir=str(place / "drop"),
        )  # fmt: skip
        (place / "run").mkdir()
        gate = {"waiting": waiting, "spooled": 0, "refused": {"link": 1}}
        (place / "run" / "dropgate.json").write_text(json.dumps(gate))
        counters = {"SINK.hdfs": {"StartTime": str(STARTED_MS)}, "CHANNEL.disk": {}}
        made = Landing(Cluster.load(place))
        monkeypatch.setattr(Landing, "_counters", lambda _: counters if running else {})
        monkeypatch.setattr(flume, "_POLL_S", 0.01)
        monkeypatch.setattr(made, "_store", _All(folder))
        return made, folder

    return make


class _All(LocalStore):
    """A store on this machine that lists hidden names, too, as that of HDFS does."""

    def list(self, name: str) -> list[str]:
        return sorted(path.name for path in (self.root / name).iterdir())


def test_file_of_a_killed_agent_is_closed_and_renamed(
    landing: Callable[..., Any], tmp_path: Path
) -> None:
    made, folder = landing(".images.1999.avro.tmp", ".images.2000.avro.tmp", "images.5.avro")

    assert made.recover(Progress("land")) == ["images.1999.recovered.avro"]
    assert sorted(path.name for path in folder.iterdir()) == [
        ".images.2000.avro.tmp",
        "images.1999.recovered.avro",
        "images.5.avro",
    ]
    assert (tmp_path / "calls").read_text().split()[-5:] == [
        "recoverLease",
        "-path",
        "/imagenet/landing/.images.1999.avro.tmp",
        "-retries",
        "30",
    ]
    assert made.files() == ["images.1999.recovered.avro", "images.5.avro"]


def test_all_open_files_are_closed_where_no_agent_runs(landing: Callable[..., Any]) -> None:
    made, _ = landing(".images.1999.avro.tmp", ".images.2000.avro.tmp", running=False)

    assert len(made.recover(Progress("land"))) == 2


def test_hidden_file_of_another_name_is_left_alone(landing: Callable[..., Any]) -> None:
    made, _ = landing(".images.x.avro.tmp", "._COPYING_", ".images.1.avro.tmp.old")

    assert made.recover(Progress("land")) == []


def test_waiting_ends_when_nothing_is_on_its_way(landing: Callable[..., Any]) -> None:
    made, _ = landing("images.5.avro")

    flow = made.wait(20, Progress("land"))

    assert flow.is_empty
    assert flow.refused == {"link": 1}


@pytest.mark.parametrize(
    ("state", "why"),
    [({"running": False}, "its agent does not run"), ({"waiting": 3}, "3 in the drop folder")],
)
def test_waiting_in_vain_is_one_sentence(
    landing: Callable[..., Any], state: dict[str, Any], why: str
) -> None:
    made, _ = landing(**state)

    with pytest.raises(ClusterError, match=why):
        made.wait(0.1, Progress("land"))


def test_cluster_without_flume_says_what_to_do(tmp_path: Path) -> None:
    write_mark(tmp_path / "one")

    with pytest.raises(ConfigError, match="up --name one --with flume"):
        Landing(Cluster.load(tmp_path / "one"))

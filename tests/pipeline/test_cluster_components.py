"""A cluster remembers its optional parts, and says where they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline import cluster as clusters
from pipeline.arguments import build_parser
from pipeline.cluster import Cluster
from pipeline.playbooks import Playbook

PATHS = ("hadoop_bin", "conf_dir", "streaming_jar", "lib_dir", "userlogs_dir", "log_dir")
URLS = ("fs_uri", "webhdfs_url", "resourcemanager_url", "historyserver_url")


def quiet(_: str) -> None:
    """Take a line of progress and drop it."""


def write_mark(place: Path, **changes: Any) -> None:
    place.mkdir()
    mark = {
        **{name: str(place / name) for name in PATHS},
        **dict.fromkeys(URLS, "http://127.0.0.1:1"),
        **{"name": "one", "id": "one-1", "dir": str(place), "port_base": 21000},
        **{"hadoop_version": "3.4.2", **changes},
    }
    (place / ".cluster.json").write_text(json.dumps(mark))


def test_cluster_without_hive_has_no_address_of_it(tmp_path: Path) -> None:
    write_mark(tmp_path / "one")

    cluster = Cluster.load(tmp_path / "one")

    assert (cluster.hive_host, cluster.hive_port, cluster.metastore_uri) == (None, None, None)


def test_address_of_hive_is_read_from_the_mark(tmp_path: Path) -> None:
    uri = "thrift://127.0.0.1:21017"
    write_mark(tmp_path / "one", hive_host="127.0.0.1", hive_port=21018, metastore_uri=uri)

    cluster = Cluster.load(tmp_path / "one")

    assert (cluster.hive_host, cluster.hive_port) == ("127.0.0.1", 21018)
    assert cluster.metastore_uri == uri


@pytest.mark.parametrize(
    ("had", "asked", "deployed"),
    [([], None, []), ([], ["hive"], ["hive"]), (["hive"], None, ["hive"])],
)
def test_components_of_a_cluster_stay(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    had: list[str],
    asked: list[str] | None,
    deployed: list[str],
) -> None:
    write_mark(tmp_path / "one", components=had)
    given: dict[str, Any] = {}

    def note(_: str, variables: dict[str, Any], *__: object, **___: object) -> Playbook:
        given.update(variables)
        return Playbook(tmp_path / "log")

    monkeypatch.setattr(clusters, "run_playbook", note)
    monkeypatch.setattr(clusters, "LOCKS_DIR", tmp_path / "locks")

    clusters.up("one", directory=tmp_path / "one", components=asked, progress=quiet)

    assert given["cluster_components"] == deployed


def test_unknown_component_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        build_parser().parse_args(["up", "--with", "spark"])

    assert "invalid choice: 'spark'" in capsys.readouterr().err

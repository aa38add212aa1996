"""The cluster's Python interface, where no Hadoop is needed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from mr_jobs.lib.errors import ClusterError, ConfigError
from pipeline import cluster as clusters
from pipeline.cluster import Cluster
from pipeline.playbooks import ROOT, Playbook

pytestmark = pytest.mark.usefixtures("cluster_var")


def quiet(_: str) -> None:
    """Take a line of progress and drop it."""


@pytest.fixture
def no_playbook(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail when a playbook is started."""

    def refuse(name: str, *_: object, **__: object) -> Playbook:
        raise AssertionError(f"{name}.yml was started")

    monkeypatch.setattr(clusters, "run_playbook", refuse)


def cluster_facts(place: Path) -> dict[str, Any]:
    names = ("hadoop_bin", "conf_dir", "streaming_jar", "lib_dir", "userlogs_dir", "log_dir")
    urls = ("fs_uri", "webhdfs_url", "resourcemanager_url", "historyserver_url")
    return {
        **{name: str(place / name) for name in names},
        **dict.fromkeys(urls, "http://127.0.0.1:1"),
        **{"name": "one", "id": "one-1", "dir": str(place), "port_base": 21000},
        "hadoop_version": "3.4.2",
    }


def write_mark(place: Path, **changes: Any) -> None:
    place.mkdir(parents=True, exist_ok=True)
    (place / ".cluster.json").write_text(json.dumps({**cluster_facts(place), **changes}))


def test_default_directory_is_below_var() -> None:
    assert clusters.cluster_dir("one") == ROOT / "var" / "clusters" / "one"


def test_given_directory_becomes_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    assert clusters.cluster_dir("one", Path("here")) == tmp_path / "here"


@pytest.mark.parametrize("name", ["", "../x", "a b", "A", "-x", "x" * 41])
@pytest.mark.usefixtures("no_playbook")
def test_unfit_name_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="cluster name"):
        clusters.up(name, progress=quiet)


@pytest.mark.parametrize("base", [0, 1023, 65500])
@pytest.mark.usefixtures("no_playbook")
def test_unfit_port_base_is_refused(base: int) -> None:
    with pytest.raises(ConfigError, match=f"port base {base}"):
        clusters.up("one", port_base=base, progress=quiet)


@pytest.mark.parametrize("digest", [None, "", "abc", "g" * 128])
@pytest.mark.usefixtures("no_playbook")
def test_tarball_without_its_checksum_is_refused(digest: str | None) -> None:
    with pytest.raises(ConfigError, match="sha512"):
        clusters.up("one", tarball="/x.tar.gz", tarball_sha512=digest, progress=quiet)


def test_mark_is_read_as_a_cluster(tmp_path: Path) -> None:
    write_mark(tmp_path)

    cluster = Cluster.load(tmp_path)

    assert (cluster.id, cluster.port_base) == ("one-1", 21000)
    assert cluster.hadoop_bin == tmp_path / "hadoop_bin"


def test_missing_or_unfinished_cluster_is_said(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="there is no cluster in"):
        Cluster.load(tmp_path)

    (tmp_path / ".cluster.json").write_text('{"id": "one-1"}')
    with pytest.raises(ClusterError, match="lacks 'name'; run `pipeline up` again"):
        Cluster.load(tmp_path)


def test_status_of_no_cluster_is_an_answer(tmp_path: Path) -> None:
    assert clusters.status("one", directory=tmp_path)["exists"] is False


def test_status_of_a_damaged_mark_is_an_answer(tmp_path: Path) -> None:
    (tmp_path / ".cluster.json").write_text("{")

    answer = clusters.status("one", directory=tmp_path)

    assert (answer["exists"], answer["ok"]) == (True, False)
    assert "cannot be read" in answer["problem"]


def test_unsaved_runs_are_noted_and_forgotten(tmp_path: Path) -> None:
    write_mark(tmp_path)
    cluster = Cluster.load(tmp_path)

    clusters.mark_unsaved(cluster, "run-1")
    clusters.mark_unsaved(cluster, "run-2")
    clusters.mark_saved(cluster, "run-1")
    clusters.mark_saved(cluster, "run-1")

    assert clusters.unsaved_runs(tmp_path) == ["run-2"]


@pytest.mark.usefixtures("no_playbook")
def test_second_up_of_the_same_cluster_waits_for_nothing_and_says_so(tmp_path: Path) -> None:
    with (
        clusters.lock("one", tmp_path),
        pytest.raises(ClusterError, match="another `pipeline` is deploying or destroying"),
    ):
        clusters.up("one", directory=tmp_path, progress=quiet)


def test_machine_without_java_is_refused_before_anything_is_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("sh", "env"):
        (programs / name).symlink_to(str(shutil.which(name)))
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.delenv("JAVA_HOME", raising=False)

    with pytest.raises(ConfigError, match=r"failed on localhost: .*Java 17 is missing"):
        clusters.up("one", directory=tmp_path / "one", progress=quiet)

    assert not (tmp_path / "one").exists()


def test_directory_that_is_not_ours_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "a.tex").touch()

    with pytest.raises(ConfigError, match="is not ours to use"):
        clusters.up("one", directory=tmp_path / "thesis", progress=quiet)

    assert [path.name for path in (tmp_path / "thesis").iterdir()] == ["a.tex"]

"""Destroy takes one cluster, by its identity, and proves that nothing of it is left."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mr_jobs.lib.errors import ClusterError
from pipeline import cluster as clusters
from pipeline.cluster import Cluster
from pipeline.playbooks import ANSIBLE_DIR, ROOT

from .conftest import free_port_base

pytestmark = pytest.mark.cluster

LIMIT_S = 90.0
IDLE = "import time; print('up', flush=True); time.sleep(300)"


def quiet(_: str) -> None:
    """Take a line of progress and drop it."""


def write_mark(place: Path, **facts: object) -> Path:
    """Make a directory that looks like a cluster's, with a file in it."""
    (place / "data").mkdir(parents=True)
    (place / "data" / "block").write_text("an image")
    mark = {"id": "fake-1", "name": "fake", "dir": str(place), "ports": {}, **facts}
    (place / ".cluster.json").write_text(json.dumps(mark))
    return place


def content(place: Path) -> dict[str, str]:
    return {str(path): path.read_text() for path in place.rglob("*") if path.is_file()}


@pytest.fixture
def idle() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start idle processes; end those that are left."""
    started = []

    def start(*arguments: str, cwd: Path | None = None) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", IDLE, *arguments], cwd=cwd, stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        assert process.stdout is not None
        process.stdout.readline()
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("facts", "options", "reason"),
    [
        ({"name": "other"}, {}, "belongs to the cluster other, not to fake"),
        ({}, {"expected_id": "fake-2"}, "has the cluster id fake-1, not fake-2"),
        ({"dir": "/srv/elsewhere"}, {}, "copied or moved cluster"),
        ({"id": ""}, {}, "needs id, name and dir"),
    ],
)
def test_cluster_of_another_identity_is_refused(
    tmp_path: Path, facts: dict[str, str], options: dict[str, Any], reason: str
) -> None:
    place = write_mark(tmp_path / "fake", **facts)
    before = content(place)

    with pytest.raises(ClusterError, match=reason):
        clusters.down("fake", directory=place, progress=quiet, **options)

    assert content(place) == before


def test_directory_without_mark_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")

    with pytest.raises(ClusterError, match="it is not a cluster's, so it stays"):
        clusters.down("fake", directory=tmp_path, progress=quiet)

    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_symbolic_link_to_a_cluster_is_refused(tmp_path: Path) -> None:
    place = write_mark(tmp_path / "fake")
    (tmp_path / "link").symlink_to(place)

    with pytest.raises(ClusterError, match="symbolic link"):
        clusters.down("fake", directory=tmp_path / "link", progress=quiet)

    assert content(place)


@pytest.mark.parametrize("place", [ROOT, ROOT.parent, Path.home(), Path("/srv")])
def test_places_that_must_stay_are_refused(place: Path) -> None:
    with pytest.raises(ClusterError, match=r"must stay|too near to /"):
        clusters.down("fake", directory=place, progress=quiet)

    assert place.is_dir()


def test_unsaved_outputs_are_refused_unless_told(tmp_path: Path) -> None:
    place = write_mark(tmp_path / "fake")
    (place / "run" / "unsaved").mkdir(parents=True)
    (place / "run" / "unsaved" / "20260101T000000Z-abc").touch()

    with pytest.raises(ClusterError, match=r"20260101T000000Z-abc are only in the cluster fake"):
        clusters.down("fake", directory=place, progress=quiet)
    assert content(place)

    assert clusters.down("fake", directory=place, discard_unsaved=True, progress=quiet)
    assert not place.exists()


def test_nothing_to_destroy_is_no_error_and_no_receipt(tmp_path: Path) -> None:
    assert clusters.down("fake", directory=tmp_path / "none", progress=quiet) is None


def test_check_mode_changes_nothing(tmp_path: Path, idle: Callable[..., Any]) -> None:
    place = write_mark(tmp_path / "fake")
    daemon = idle("-Dcluster.id=fake-1")
    before = content(place)

    done = subprocess.run(
        [
            *(str(Path(sys.executable).parent / "ansible-playbook"), "--check", "destroy.yml"),
            *("-i", "inventories/local.yml", "-e", f"cluster_name=fake cluster_dir={place}"),
        ],
        cwd=ANSIBLE_DIR,
        env={**os.environ, "ANSIBLE_CONFIG": str(ANSIBLE_DIR / "ansible.cfg")},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert content(place) == before
    assert daemon.poll() is None


def test_orphans_end_and_strangers_do_not(tmp_path: Path, idle: Callable[..., Any]) -> None:
    place = write_mark(tmp_path / "fake")
    daemon = idle("-Dcluster.id=fake-1", "-Dcluster.daemon=namenode")
    orphan = idle(cwd=place / "data")
    strangers = [idle("-Dcluster.id=fake-11"), idle("about -Dcluster.id=fake-1"), idle()]

    receipt = clusters.down("fake", directory=place, progress=quiet)

    assert daemon.wait(5) is not None
    assert orphan.wait(5) is not None
    assert [stranger.poll() for stranger in strangers] == [None, None, None]
    assert receipt is not None
    (host,) = json.loads(receipt.read_text())["hosts"].values()
    assert "namenode" in host["stopped"]
    assert (host["id"], host["processes_left"], host["directory_gone"]) == ("fake-1", [], True)


def test_daemons_whose_directory_was_deleted_end_by_their_id(
    tmp_path: Path, idle: Callable[..., Any]
) -> None:
    daemon = idle("-Dcluster.id=fake-1", "-Dcluster.daemon=namenode")
    place = tmp_path / "gone"

    assert clusters.down("fake", directory=place, progress=quiet) is None
    assert clusters.down("fake", directory=place, expected_id="fake-1", progress=quiet)

    assert daemon.wait(5) is not None


def test_link_out_of_the_cluster_is_not_followed(tmp_path: Path) -> None:
    place = write_mark(tmp_path / "fake")
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "cat.JPEG").write_text("a cat")
    (place / "data" / "images").symlink_to(tmp_path / "images")

    clusters.down("fake", directory=place, progress=quiet)

    assert not place.exists()
    assert (tmp_path / "images" / "cat.JPEG").read_text() == "a cat"


def test_second_cluster_lives_and_dies_beside_the_first(cluster: Cluster, tmp_path: Path) -> None:
    place = tmp_path / "second"
    base = free_port_base()
    try:
        second = clusters.up("second", directory=place, port_base=base, progress=quiet).cluster
        assert second.id != cluster.id
        client = running_job(second)
        clusters.mark_unsaved(second, "a-run")
        with pytest.raises(ClusterError, match="a-run are only in the cluster second"):
            clusters.down("second", directory=place, progress=quiet)
        clusters.mark_saved(second, "a-run")

        began = time.monotonic()
        receipt = clusters.down("second", directory=place, expected_id=second.id, progress=quiet)
        seconds = time.monotonic() - began
    finally:
        clusters.down("second", directory=place, discard_unsaved=True, progress=quiet)

    assert client.wait(5) != 0
    assert receipt is not None
    (host,) = json.loads(receipt.read_text())["hosts"].values()
    assert set(host["ports_closed"]) == set(range(base, base + 17))
    assert host["processes_left"] == host["ports_open"] == []
    assert not place.exists()
    assert f"-Dcluster.id={second.id}" not in all_arguments()
    assert seconds < 20.0  # 10 on a machine that does nothing else
    assert clusters.down("second", directory=place, progress=quiet) is None
    assert clusters.status(cluster.name, directory=cluster.dir)["ok"] is True


def running_job(cluster: Cluster) -> subprocess.Popen[bytes]:
    """Submit a job whose task hangs, wait until its containers run, and return the client."""
    launcher = [str(cluster.hadoop_bin)]
    subprocess.run([*launcher, "fs", "-put", "-", "/user/in"], input=b"x\n", check=True)
    command = [*launcher, "jar", str(cluster.streaming_jar), "-D", "mapreduce.job.reduces=0"]
    command += ["-D", "mapreduce.job.ubertask.enable=false", "-input", "/user/in"]
    command += ["-output", "/user/out", "-mapper", "sleep 300"]
    with (cluster.log_dir / "job.log").open("wb") as log:
        client = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    deadline = time.monotonic() + LIMIT_S
    while "sleep 300" not in all_arguments(" "):
        assert time.monotonic() < deadline, "no task of the job was started"
        time.sleep(0.2)
    return client


def all_arguments(joint: str = "\n") -> str:
    """Join the command lines of all processes."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(path.read_bytes().decode(errors="replace").replace("\0", joint))
        except OSError:
            continue  # it ended meanwhile
    return "\n".join(lines)

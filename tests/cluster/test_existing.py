"""A cluster of somebody else: used as one of its users may, and left as it was.

A cluster that is deployed for these tests plays it. The pipeline sees of it what a user sees, a
HADOOP_HOME; it works as alice, who is no superuser of HDFS, and YARN asks who may use a queue.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests

from benchmarks.mr_empty import MREmpty
from mr_jobs.lib.errors import JobError
from pipeline import existing
from pipeline.cluster import Cluster
from pipeline.job_arguments import JobSpec
from pipeline.jobs import run_job
from pipeline.progress import Progress
from pipeline.sample import write_sample
from pipeline.stores import HdfsStore
from tests.cluster import pipelines as p
from tests.cluster.conftest import deployed
from tests.cluster.foreign import OF_HADOOP, admin, daemons, files, with_queues
from tests.cluster.mr_failing import MRFailing

pytestmark = [pytest.mark.cluster, pytest.mark.extended]
ALICE = "alice"


@pytest.fixture(scope="module")
def foreign(_own_places: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster with queues and a user alice."""
    folder = tmp_path_factory.mktemp("foreign")
    with deployed(folder / f"test-{uuid.uuid4().hex[:8]}") as up:
        cluster = up.cluster
        admin(cluster, "fs", "-mkdir", "-p", f"/user/{ALICE}/work", "/data/of-bob")
        admin(cluster, "fs", "-chown", "-R", ALICE, f"/user/{ALICE}")
        admin(cluster, "fs", "-chmod", "755", "/tmp/hadoop-yarn")  # noqa: S108  # in HDFS
        admin(cluster, "fs", "-chmod", "1777", "/tmp/hadoop-yarn/staging")  # noqa: S108
        with with_queues(cluster, folder / "resourcemanager.log"):
            yield cluster


@pytest.fixture(scope="module")
def home(foreign: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A HADOOP_HOME of it, in alice's environment."""
    home = tmp_path_factory.mktemp("hadoop")
    for folder in ("bin", "etc", "share/hadoop/tools/lib"):
        (home / folder).mkdir(parents=True)
    (home / "bin/hadoop").symlink_to(foreign.hadoop_bin)
    (home / "etc/hadoop").symlink_to(foreign.conf_dir)
    shutil.copy(foreign.streaming_jar, home / "share/hadoop/tools/lib")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in zip(OF_HADOOP, (str(home), "", ALICE, ALICE), strict=True):
            patch.setenv(name, value)
        patch.setenv("PATH", "/usr/bin:/bin")  # no Python of the driver's
        patch.setattr(existing, "PLACES", home / "var")
        yield home
        for place in (p.ROOT / "var" / "existing").glob(f"127-0-0-1-{foreign.port_base}-*"):
            shutil.rmtree(place)


def on_it(**options: str) -> tuple[str, ...]:
    """Return the options for the existing cluster, with a Python that has nothing installed."""
    given = {"queue": "batch", "python": "/usr/bin/python3.11", **options}
    return "--cluster", "existing", *(word for k, v in given.items() for word in (f"--{k}", v))


@contextmanager
def store(cluster: Cluster) -> Iterator[HdfsStore]:
    """A place for a job's input and output, with an input of one line."""
    made = HdfsStore(cluster.webhdfs_url, cluster.fs_uri, cluster.in_hdfs("runs", "test"))
    made.write("lines/one.txt", [b"this line\n"])
    try:
        yield made
    finally:
        made.delete("")


@pytest.fixture(scope="module")
def run(
    foreign: Cluster, home: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Any]]:
    """A run of the pipeline on it, and what was there before and after."""
    data = tmp_path_factory.mktemp("data") / "sample"
    write_sample(data, n_classes=3, n_images=12, seed=5)
    run_id, before, pids = f"test-{uuid.uuid4().hex[:8]}", files(foreign), daemons(foreign)
    with p.forgotten(run_id):
        result = p.run("full", "--data", data, "--config", "32px", "--run-id", run_id, *on_it())
        yield {**result, "data": data, "before": before, "after": files(foreign), "pids": pids}


def test_predictions_are_those_without_a_cluster(run: dict[str, Any]) -> None:
    run_id = f"test-{uuid.uuid4().hex[:8]}"
    with p.forgotten(run_id):
        here = p.run(
            "full", "--data", run["data"], "--config", "32px", "--runner", "inline",
            "--run-id", run_id,
        )  # fmt: skip
        both = [Path(result["run_dir"]) for result in (run, here)]
        for name in ("predictions.tsv", "synsets.tsv", "confusion.tsv", "submission.txt"):
            assert (both[0] / name).read_bytes() == (both[1] / name).read_bytes(), name


def test_all_that_is_new_is_in_one_directory_for_its_user_only_and_nothing_is_gone(
    foreign: Cluster, run: dict[str, Any]
) -> None:
    ours = f"/user/{ALICE}/imagenet"
    new = run["after"] - run["before"]

    assert run["before"] <= run["after"]
    assert new
    assert {path for path in new if path != ours and not path.startswith(f"{ours}/")} == set()
    assert [path for path in new if run["run_id"] in path and "/images/" not in path] == []
    assert any(path.startswith(f"{ours}/images/") and path.endswith(".seq") for path in new)
    assert f"drwx------   - {ALICE}" in admin(foreign, "fs", "-ls", f"/user/{ALICE}")


def test_the_cluster_runs_on_and_jobs_were_in_the_queue_that_was_asked_for(
    foreign: Cluster, run: dict[str, Any]
) -> None:
    url = f"{foreign.resourcemanager_url}/ws/v1/cluster/apps"
    apps = requests.get(url, timeout=10).json()["apps"]["app"]
    jobs = [app for app in apps if str(app["name"]).startswith(run["run_id"])]

    assert daemons(foreign) == run["pids"]
    assert len(run["pids"]) == 5
    assert {(app["user"], app["queue"]) for app in jobs} == {(ALICE, "root.batch")}


def test_other_commands_work_on_it(run: dict[str, Any], tmp_path: Path) -> None:
    listed = p.run("images", *on_it())
    (name,) = [stored["name"] for stored in listed["image_stores"]]
    p.run("predict", run["run_id"], "--images", name, "--output", tmp_path / "all.tsv", *on_it())
    got = p.run("get", "--where", "split = 'val'", "--to", tmp_path / "got", *on_it())

    of_run = (Path(run["run_dir"]) / "predictions.tsv").read_text().splitlines()
    assert listed["image_stores"][0]["images"] == run["counts"]["images"]
    assert set(of_run) <= set((tmp_path / "all.tsv").read_text().splitlines())
    assert got["images"] >= run["counts"]["val"]  # quarantined ones, too


@pytest.mark.parametrize("command", [("up",), ("down", "--yes", "imagenet")])
def test_it_is_neither_deployed_nor_destroyed(home: Path, command: tuple[str, ...]) -> None:
    _, said = p.end(p.start(*command, *on_it()), code=2)

    assert f"`{command[0]}` is for a cluster of our own" in said


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"queue": "nowhere"}, "YARN has no queue nowhere"),
        ({"queue": "locked"}, "alice may not submit to the queue locked, but to: root.batch"),
        ({"queue": "stopped"}, "the queue stopped takes no applications: it is STOPPED"),
        ({"hdfs-dir": "/data/of-bob"}, "that alice may not write to"),
        ({"hdfs-dir": "/data/new"}, "alice cannot make /data/new in HDFS"),
        ({"hdfs-dir": f"/user/{ALICE}"}, "has what is not the pipeline's"),
    ],
)
def test_what_alice_may_not_use_is_said_before_anything_is_done(
    foreign: Cluster, home: Path, options: dict[str, str], told: str
) -> None:
    before = files(foreign)

    _, said = p.end(p.start("images", *on_it(**options)), code=3)

    assert told in said
    assert files(foreign) == before


def test_all_problems_are_said_in_one_go(foreign: Cluster, home: Path) -> None:
    admin(foreign, "dfsadmin", "-safemode", "enter")
    try:
        _, said = p.end(p.start("images", *on_it(queue="nowhere")), code=3)
    finally:
        admin(foreign, "dfsadmin", "-safemode", "leave")

    assert "cannot be used, for 2 reasons:" in said
    assert "is in safe mode" in said
    assert "YARN has no queue nowhere" in said


def test_the_traceback_of_a_failed_task_is_fetched_from_its_host(home: Path) -> None:
    wanted = existing.Wanted(hdfs_dir=None, queue="batch", python="/usr/bin/python3.11")
    cluster = existing.connect(wanted)
    assert not cluster.userlogs_dir.exists()

    with store(cluster) as made:
        spec = JobSpec("failing", MRFailing, [made.uri("lines")], made, "out")
        with pytest.raises(JobError, match="nobody expects this line") as told:
            run_job(spec, "hadoop", "test", Progress("failing"), cluster)

    assert "mr_failing.py" in str(told.value)


@pytest.mark.parametrize(
    ("python", "told"), [("python2.99", 'Cannot run program "python2.99"'), (None, "wrong Python")]
)
def test_a_python_that_does_not_fit_is_said(
    home: Path, tmp_path: Path, python: str | None, told: str
) -> None:
    wanted = existing.Wanted(hdfs_dir=None, queue="batch", python="/usr/bin/python3.11")
    other = tmp_path / "python"
    (tmp_path / "sitecustomize.py").write_text(  # as if it were of another minor
        "import runpy, sys\nsys.version_info = (3, 99)\nrunpy.run_path('worker/sitecustomize.py')\n"
    )
    other.write_text(
        f'#!/bin/sh\nPYTHONPATH={tmp_path}:$PYTHONPATH exec /usr/bin/python3.11 "$@"\n'
    )
    other.chmod(0o755)
    cluster = replace(existing.connect(wanted), python_bin=python or str(other))

    with store(cluster) as made:
        spec = JobSpec("empty", MREmpty, [made.uri("lines")], made, "out")
        with pytest.raises(JobError, match=told):
            run_job(spec, "hadoop", "test", Progress("empty"), cluster)

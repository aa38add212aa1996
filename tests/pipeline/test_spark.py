"""What can be said of Spark without it: settings, room, refusals, errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mr_jobs.lib.errors import ClusterError, ConfigError, DataError, JobError
from pipeline import extras, spark_session, spark_settings, yarn
from pipeline.cluster import Cluster
from pipeline.spark_errors import spark_error
from pipeline.spark_settings import Room, room_of, settings_for

NODE = {"state": "RUNNING", "availMemoryMB": 3072, "usedMemoryMB": 0}


def made_cluster(place: Path, **facts: Any) -> Cluster:
    return Cluster(
        name="c", id="c-123", dir=place, port_base=1, hadoop_version="3.4.2",
        hadoop_bin=place / "bin", conf_dir=place / "conf", streaming_jar=place / "s.jar",
        lib_dir=place / "lib", fs_uri="hdfs://127.0.0.1:1", webhdfs_url="", resourcemanager_url="",
        historyserver_url="", userlogs_dir=place, log_dir=place, **facts,
    )  # fmt: skip


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Stand for YARN: one node with two slots, unless a test says otherwise."""
    found = [dict(NODE)]
    monkeypatch.setattr(yarn, "nodes", lambda _: found)
    monkeypatch.setattr(yarn, "task_slots", lambda _: 2 * len(found))
    monkeypatch.setattr(yarn, "unfinished", lambda _: [])
    monkeypatch.setattr(spark_settings, "jars_dir", lambda: Path("/jars"))
    return found


def test_memory_is_within_what_yarn_has_and_leaves_room_for_python(
    nodes: list[dict[str, Any]], tmp_path: Path
) -> None:
    room = room_of(made_cluster(tmp_path))

    assert room == Room(executors=1, cores=2, memory_mb=3072 - 768)
    assert room.heap_mb == room.memory_mb - 700
    nodes.append({**NODE, "availMemoryMB": 2048})
    nodes.append({**NODE, "state": "LOST"})
    assert room_of(made_cluster(tmp_path)).memory_mb == 2048 - 768


def test_what_a_job_that_is_done_still_holds_is_waited_for(
    nodes: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = [{**NODE, "availMemoryMB": 1024, "usedMemoryMB": 2048}]
    answers = iter([held, held, nodes])
    monkeypatch.setattr(yarn, "nodes", lambda _: next(answers))

    assert room_of(made_cluster(tmp_path)).memory_mb == 3072 - 768


def test_what_a_job_that_runs_holds_is_not_waited_for(
    nodes: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes[0] |= {"availMemoryMB": 2048, "usedMemoryMB": 1024}
    monkeypatch.setattr(yarn, "unfinished", lambda _: [{"id": "application_1_1"}])

    assert room_of(made_cluster(tmp_path)).memory_mb == 2048 - 768


def test_little_memory_means_fewer_cores(nodes: list[dict[str, Any]], tmp_path: Path) -> None:
    nodes[0]["availMemoryMB"] = 768 + 768

    assert room_of(made_cluster(tmp_path)) == Room(executors=1, cores=1, memory_mb=768)


@pytest.mark.parametrize(
    ("free_mb", "sentence"), [(1024, "YARN has 1024 MiB free"), (None, "no NodeManager runs")]
)
def test_a_cluster_without_room_is_refused(
    nodes: list[dict[str, Any]], tmp_path: Path, free_mb: int | None, sentence: str
) -> None:
    nodes[:] = [] if free_mb is None else [{**NODE, "availMemoryMB": free_mb}]

    with pytest.raises(ClusterError, match=sentence):
        room_of(made_cluster(tmp_path))


@pytest.mark.usefixtures("nodes")
def test_settings_keep_to_loopback_and_carry_the_clusters_id(tmp_path: Path) -> None:
    made = settings_for(made_cluster(tmp_path), "r1 spark", tmp_path / "scratch")

    assert made["spark.master"] == "yarn"
    assert made["spark.yarn.jars"] == "local:/jars/*"
    assert made["spark.ui.enabled"] == "false"
    for name in (
        "spark.driver.host",
        "spark.driver.bindAddress",
        "spark.executorEnv.SPARK_LOCAL_IP",
    ):
        assert made[name] == "127.0.0.1", name
    for process in ("driver", "executor", "yarn.am"):
        assert "-Dcluster.id=c-123" in made[f"spark.{process}.extraJavaOptions"].split()
    assert made["spark.sql.catalogImplementation"] == "in-memory"
    container_mb = sum(
        int(made[f"spark.executor.{name}"].rstrip("m")) for name in ("memory", "memoryOverhead")
    )
    assert container_mb == 3072 - 768


@pytest.mark.usefixtures("nodes")
def test_hive_is_asked_with_its_own_client(tmp_path: Path) -> None:
    cluster = made_cluster(
        tmp_path, metastore_uri="thrift://127.0.0.1:9", hive_version="4.0.1",
        hive_lib_dir=Path("/hive/lib"),
    )  # fmt: skip

    made = settings_for(cluster, "r1", tmp_path)

    assert made["spark.sql.catalogImplementation"] == "hive"
    assert made["spark.sql.hive.metastore.version"] == "4.0.1"
    jars = made["spark.sql.hive.metastore.jars.path"]
    assert jars == f"file:///hive/lib/*.jar,file://{tmp_path}/lib/*.jar"
    assert made["spark.hadoop.hive.metastore.uris"] == "thrift://127.0.0.1:9"


def test_without_a_cluster_it_is_two_threads_here(tmp_path: Path) -> None:
    assert settings_for(None, "r1", tmp_path)["spark.master"] == "local[2]"


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [({"packages": "archive"}, "on other hosts"), ({"realm": "HIM.LOCAL"}, "without Kerberos")],
)
def test_other_kinds_of_clusters_are_refused(
    tmp_path: Path, facts: dict[str, str], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extras, "is_installed", lambda _: True)
    monkeypatch.setattr("pipeline.secure.register", lambda *_: None)
    cluster = made_cluster(tmp_path, **facts)

    with pytest.raises(ConfigError, match=sentence), spark_session.spark_session(cluster, "r1"):
        pytest.fail("it was opened")


@pytest.mark.parametrize(
    "args",
    [
        ("spark", "features", "--run-id", "r1"),
        ("spark", "query", "SELECT 1"),
    ],
)
def test_without_the_extra_it_says_what_to_install(
    cli: Any, monkeypatch: pytest.MonkeyPatch, args: tuple[str, ...]
) -> None:
    monkeypatch.setitem(extras.MODULES, "spark", "no_such_module_is_installed")

    answer = cli(*args)

    assert answer.code == 2
    assert f"spark {args[1]} needs the extra spark: bin/setup --extra spark" in answer.err


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(extras.MODULES, "spark", "json")


@pytest.mark.usefixtures("installed")
def test_a_run_that_is_not_there_is_refused(cli: Any) -> None:
    answer = cli("spark", "features", "--run-id", "none")

    assert answer.code == 2
    assert "there is no run none" in answer.err


@pytest.mark.usefixtures("installed")
def test_bundles_that_are_gone_are_refused(cli: Any, folder_data: Any) -> None:
    cli("full", "--data", folder_data(), "--runner", "inline", "--run-id", "r1")

    answer = cli("spark", "features", "--run-id", "r1")

    assert answer.code == 2
    assert "spark features needs the output of bundle; run" in answer.err


@pytest.mark.usefixtures("installed")
def test_tables_need_hive(cli: Any, folder_data: Any) -> None:
    cli("full", "--data", folder_data(), "--runner", "inline", "--keep", "--images", "s")

    answer = cli("spark", "query", "SELECT 1", "--images", "s", "--runner", "inline")

    assert answer.code == 2
    assert "is on this machine, which has no Hive that Spark can ask" in answer.err


def test_what_a_task_says_is_told_without_its_traceback() -> None:
    error = RuntimeError(
        "org.apache.spark.SparkException: Job aborted\n  File x\n"
        "mr_jobs.lib.errors.DataError: shards: this is no vector\n\n\tat org.apache…"
    )

    told = spark_error("trainer spark-logistic", error)

    assert isinstance(told, DataError)
    assert str(told) == "shards: this is no vector"


def test_what_python_says_in_a_task_is_told() -> None:
    error = RuntimeError(
        "org.apache.spark.SparkException: Job aborted\nTraceback (most recent call last):\n"
        "  File x\nModuleNotFoundError: No module named 'numpy'\n SQLSTATE: 38000\n\tat org…"
    )

    told = str(spark_error("spark features", error))

    assert "Spark failed (ModuleNotFoundError: No module named 'numpy'); more" in told


def test_what_spark_says_is_told_in_a_line() -> None:
    told = spark_error("trainer spark-logistic", RuntimeError("java.lang.X: no room\n\tat here"))

    assert isinstance(told, JobError)
    assert str(told).startswith("trainer spark-logistic: Spark failed (java.lang.X: no room);")

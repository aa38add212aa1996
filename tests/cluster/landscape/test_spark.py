"""Spark on a deployed cluster: the same vectors, a second trainer, Hive's tables; nothing left."""

from __future__ import annotations

import json
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline import yarn
from pipeline.cluster import Cluster
from pipeline.images import images_at
from pipeline.process_memory import descendants, in_containers
from pipeline.runs import load_run
from pipeline.sample import write_sample
from pipeline.spark_session import spark_session
from pipeline.spark_tables import tables_in_spark
from pipeline.stores import HdfsStore
from tests.cluster import pipelines as p
from tests.cluster.components import listening
from tests.cluster.conftest import deployed

pytestmark = [pytest.mark.cluster, pytest.mark.landscape, pytest.mark.spark]

CONFIG = """
[features]
features = ["hog", "hsv_pyramid", "fisher"]
image_px = 64
[features.hog]
cell_px = 8
block_px = 16
stride_px = 16
[features.fisher]
n_gaussians = 4
[codebooks]
samples = 10_000
rounds = 1
"""
GONE_S = 60
LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F"}  # 127.0.0.1, and mapped into IPv6


@pytest.fixture(scope="module")
def hive(_own_places: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Deploy a cluster with Hive, and destroy it in any case."""
    pytest.importorskip("pyspark", reason="needs the extra spark: bin/setup --extra spark")
    place = tmp_path_factory.mktemp("spark") / f"test-{uuid.uuid4().hex[:8]}"
    with deployed(place, components=["hive"]) as up:
        yield up.cluster


@pytest.fixture(scope="module")
def run_id(hive: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Make a run whose outputs stay in HDFS, of enough images to choose a penalty on."""
    data, config = (
        tmp_path_factory.mktemp("data") / "sample",
        tmp_path_factory.mktemp("c") / "c.toml",
    )
    write_sample(data, n_classes=4, n_images=60, seed=11)
    config.write_text(CONFIG)
    made = f"test-{uuid.uuid4().hex[:8]}"
    with p.forgotten(made):
        p.run("full", "--data", data, "--config", config, "--run-id", made, *p.on(hive))
        yield made


def of_spark(cluster: Cluster) -> set[int]:
    """Return the processes of Spark that carry the cluster's id, or are in its containers."""
    token = f"-Dcluster.id={cluster.id}"
    carrying = p.processes(
        lambda argv, _: token in argv and any("apache.spark" in arg for arg in argv)
    )
    return set(carrying) | set(
        p.processes(lambda argv, cwd: "pyspark.daemon" in argv and cwd.is_relative_to(cluster.dir))
    )


def wait_until(there: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + GONE_S
    while not there():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def assert_nothing_is_left(cluster: Cluster) -> None:
    wait_until(lambda: not of_spark(cluster), f"processes are left: {of_spark(cluster)}")
    wait_until(
        lambda: not yarn.unfinished(cluster.resourcemanager_url), "an application is left on YARN"
    )
    assert list((cluster.dir / "tmp").glob("spark-*")) == []
    staged = HdfsStore(cluster.webhdfs_url, cluster.fs_uri, cluster.in_hdfs("tmp", ".sparkStaging"))
    assert not staged.exists("") or staged.list("") == []


def vectors(cluster: Cluster, run_id: str, name: str) -> dict[str, bytes]:
    """Return the vectors of a directory by image key, whichever kind of string that is."""
    return {
        key.decode() if isinstance(key, bytes) else str(key): value  # type: ignore[misc]
        for key, value in p.records(p.store_of(run_id, cluster), name)
    }


def test_vectors_are_those_of_the_job_byte_for_byte(hive: Cluster, run_id: str) -> None:
    result = p.run("spark", "features", "--run-id", run_id)

    assert result["same"] is True
    of_job, of_spark_ = (vectors(hive, run_id, name) for name in ("features", "spark/features"))
    assert len(of_job) > 200
    assert of_spark_ == of_job
    run = load_run(run_id)
    assert run is not None
    assert result["counts"] == dict(sorted(run.steps["features"]["counts"].items()))
    assert_nothing_is_left(hive)


def test_other_vectors_are_noticed(hive: Cluster, run_id: str) -> None:
    store = p.store_of(run_id, hive)
    name, *_ = store.files("features")
    with store.open(name) as file:
        content = file.read()
    changed = bytearray(content)
    changed[-1] ^= 1  # in the last number of the last vector
    store.write(name, [bytes(changed)])
    try:
        _, err = p.end(p.start("spark", "features", "--run-id", run_id), code=4)
    finally:
        store.write(name, [content])

    assert "differ from those of the job" in err
    assert "Traceback" not in err.splitlines()[-1]
    assert_nothing_is_left(hive)


def test_mllib_learns_from_the_same_shards_and_is_as_good(hive: Cluster, run_id: str) -> None:
    result = p.run("compare", run_id, "--trainers", "sklearn,spark-logistic")

    ours, spark = result["trainers"]
    assert [ours["trainer"], spark["trainer"]] == ["sklearn", "spark-logistic"]
    assert abs(ours["top1_error"] - spark["top1_error"]) <= 0.1  # of 119 images
    assert result["differences"][0]["top1"]["p"] > 0.05
    assert (ours["n_train_images"], ours["n_images"]) == (
        spark["n_train_images"],
        spark["n_images"],
    )
    assert result["differences"][0]["same_images"] is True
    assert len(spark["parameters"]["tried"]) == 3
    assert spark["seconds"].keys() == {"start", "train", "predict"}
    assert spark["peak_mib"] > 700  # driver, master and executor, each a Java process
    metrics = p.ROOT / "models" / "saved" / run_id / "metrics.json"
    assert ours["top1_error"] == json.loads(metrics.read_text())["top1_error"]
    folder = metrics.parent / "trainers" / "spark-logistic"
    names = {path.name for path in folder.iterdir()}
    assert names == {"result.json", "predictions.tsv", "coefficients.npz", "model"}
    assert any((folder / "model" / "data").iterdir())
    assert_nothing_is_left(hive)


def test_spark_reads_hives_tables(hive: Cluster, run_id: str) -> None:
    run = load_run(run_id)
    assert run is not None
    query = "SELECT split, COUNT(*) AS n, MAX(width) AS w FROM images GROUP BY split ORDER BY split"

    asked = p.run("spark", "query", query, "--images", run.images, *p.on(hive))

    out, _ = p.end(
        p.start(
            "query", query, "--format", "json", "--engine", "hive", "--images", run.images,
            *p.on(hive),
        )
    )  # fmt: skip
    by_hive = json.loads(out)
    assert [dict(zip(asked["columns"], row, strict=True)) for row in asked["rows"]] == by_hive
    assert len(by_hive) >= 2
    assert_nothing_is_left(hive)


def test_two_sessions_one_after_the_other_and_only_loopback_listens(
    hive: Cluster, run_id: str
) -> None:
    run = load_run(run_id)
    assert run is not None
    with spark_session(hive, f"{run_id} first") as spark:
        assert spark.range(1000).repartition(4).count() == 1000
        app = spark.sparkContext.applicationId
        pids = in_containers([app]) | {
            pid for pid in of_spark(hive) if "SparkSubmit" in _arguments(pid)
        }
        assert len(pids) >= 3  # driver, master, executor
        addresses = {address for pid in pids for address, _ in listening(pid)}
        assert addresses
        assert addresses <= LOOPBACK
    with tables_in_spark(images_at(run.images, hive)) as spark:
        assert spark.sql("SELECT COUNT(*) FROM images").first()[0] > 200
    assert_nothing_is_left(hive)


def _arguments(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")


def test_nothing_is_left_of_spark_when_its_program_is_killed(hive: Cluster, run_id: str) -> None:
    process = p.start("spark", "features", "--run-id", run_id)
    wait_until(
        lambda: bool(yarn.unfinished(hive.resourcemanager_url)), "no application came to YARN"
    )
    assert descendants(process.pid)

    process.send_signal(signal.SIGKILL)
    process.communicate()

    assert_nothing_is_left_but_files(hive)


def assert_nothing_is_left_but_files(cluster: Cluster) -> None:
    """See that all ends by itself; its scratch directory stays until the cluster goes."""
    wait_until(lambda: not of_spark(cluster), "processes are left")
    wait_until(lambda: not yarn.unfinished(cluster.resourcemanager_url), "an application is left")


def test_an_interrupted_trainer_leaves_nothing(hive: Cluster, run_id: str) -> None:
    process = p.start("compare", run_id, "--trainers", "spark-logistic", "--again")
    before = p.ROOT / "models" / "saved" / run_id / "trainers" / "spark-logistic" / "result.json"
    content = before.read_bytes()
    wait_until(
        lambda: bool(yarn.unfinished(hive.resourcemanager_url)), "no application came to YARN"
    )

    process.send_signal(signal.SIGTERM)
    p.end(process, code=130)

    assert before.read_bytes() == content
    assert [path.name for path in before.parents[1].iterdir() if path.name[0] == "."] == []
    assert_nothing_is_left_but_files(hive)

"""H2O over the shards of a deployed cluster: two trainers, their MOJOs, and nothing left of it."""

from __future__ import annotations

import csv
import os
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests

from mr_jobs.lib.records import ShardKey, decode_vector
from pipeline.cluster import Cluster
from pipeline.sample import write_sample
from pipeline.trainers.h2o_avro import feature_names
from pipeline.trainers.h2o_server import HOST, find_java, jar
from tests.cluster import pipelines as p
from tests.cluster.components import listening

pytestmark = [pytest.mark.cluster, pytest.mark.landscape, pytest.mark.h2o]

CONFIG = """
[features]
features = ["hog", "hsv_pyramid"]
image_px = 64
[features.hog]
cell_px = 8
block_px = 16
stride_px = 16
"""
TRAINERS = ("h2o-glm", "h2o-gbm")
GONE_S = 60


@pytest.fixture(scope="module")
def run_id(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Make a run whose shards stay in HDFS, of enough images to choose a penalty on."""
    pytest.importorskip("h2o", reason="needs the extra h2o: bin/setup --extra h2o")
    folder = tmp_path_factory.mktemp("h2o")
    write_sample(folder / "sample", n_classes=4, n_images=60, seed=11)
    (folder / "c.toml").write_text(CONFIG)
    made = f"test-{uuid.uuid4().hex[:8]}"
    with p.forgotten(made):
        given = ("--data", folder / "sample", "--config", folder / "c.toml", "--run-id", made)
        p.run("full", *given, *p.on(cluster))
        yield made


@pytest.fixture(scope="module")
def compared(run_id: str) -> dict[str, Any]:
    return p.run("compare", run_id, "--trainers", ",".join(("sklearn", *TRAINERS)))


def results_of(run_id: str) -> Path:
    return p.ROOT / "models" / "saved" / run_id / "trainers"


def servers(run_id: str) -> list[int]:
    """Return the servers that a run's trainers started."""
    tokens = {f"-Dpipeline.token={run_id} {name}" for name in TRAINERS}
    return p.processes(lambda argv, _: bool(tokens & set(argv)))


def port_of(pid: int) -> int:
    argv = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
    return int(argv[argv.index("-port") + 1])


def is_listened_on(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def wait_until(there: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + GONE_S
    while not there():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def assert_nothing_is_left(run_id: str) -> None:
    wait_until(lambda: not servers(run_id), "a server is left")
    assert not (p.ROOT / "var" / "runs" / run_id / "h2o-gbm").exists()
    assert [path.name for path in results_of(run_id).iterdir() if path.name[0] == "."] == []


def test_both_learn_from_the_shards_in_hdfs_and_stand_in_the_table(
    run_id: str, compared: dict[str, Any]
) -> None:
    ours, *others = compared["trainers"]

    assert [facts["trainer"] for facts in others] == list(TRAINERS)
    for facts in others:
        assert facts["n_images"] == ours["n_images"] > 20
        assert facts["n_train_images"] == ours["n_train_images"]
        assert facts["seconds"].keys() == {"start", "train", "predict"}
        assert facts["peak_mib"] > 200  # a Java process
        assert facts["top1_error"] < 0.5  # of four synsets
    glm = others[0]
    assert abs(glm["top1_error"] - ours["top1_error"]) <= 0.1  # of few images
    assert len(glm["parameters"]["held_out_log_loss"]) > 1
    assert all(each["same_images"] for each in compared["differences"])
    out, _ = p.end(p.start("compare", run_id, "--trainers", "h2o-glm"))
    assert {"h2o-glm", "h2o-gbm", "sklearn"} <= {line.split(" ")[0] for line in out.splitlines()}
    assert_nothing_is_left(run_id)


@pytest.mark.usefixtures("compared")
@pytest.mark.parametrize("name", TRAINERS)
def test_the_mojo_scores_the_same_in_a_jvm_without_a_server(
    name: str, cluster: Cluster, run_id: str, tmp_path: Path
) -> None:
    val = {}
    for key, value in p.records(p.store_of(run_id, cluster), "shards"):
        shard_key = ShardKey.parse(key.decode() if isinstance(key, bytes) else str(key))
        if shard_key.split == "val":
            assert isinstance(value, bytes)
            val[shard_key.image.file_name] = decode_vector(value)
    folder = results_of(run_id) / name
    given, found = tmp_path / "in.csv", tmp_path / "out.csv"
    with given.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(feature_names(len(next(iter(val.values())))))
        rows.writerows(vector.astype(float).tolist() for vector in val.values())

    scorer = ("-cp", jar(), "hex.genmodel.tools.PredictCsv", "--mojo", folder / "model.zip")
    files = ("--input", given, "--output", found, "--decimal")
    command = [find_java(), "-XX:-UsePerfData", *scorer, *files]
    subprocess.run([*map(str, command)], check=True, capture_output=True, cwd=tmp_path)

    with found.open(newline="") as file:
        scored = dict(zip(val, csv.DictReader(file), strict=True))
    told = (folder / "predictions.tsv").read_text().splitlines()
    header, *lines = (line.split("\t") for line in told)
    assert len(lines) == len(val)
    for line in lines:
        row = dict(zip(header, line, strict=True))
        scores = scored[f"{row['image_id']}.JPEG"]
        assert scores["predict"] == row["wnid_1"]
        assert np.isclose(float(scores[row["wnid_1"]]), float(row["score_1"]), rtol=1e-5, atol=1e-6)


def started(run_id: str) -> tuple[subprocess.Popen[str], int, bytes]:
    """Have a server at work; return the pipeline, the server, and the result that there was."""
    before = (results_of(run_id) / "h2o-gbm" / "result.json").read_bytes()
    process = p.start("compare", run_id, "--trainers", "h2o-gbm", "--again")
    (pid,) = p.wait_until_there(lambda: servers(run_id))
    vectors = p.ROOT / "var" / "runs" / run_id / "h2o-gbm" / "vectors"
    wait_until(lambda: not (vectors / "train.avro").exists(), "the vectors do not arrive")
    return process, pid, before


@pytest.mark.usefixtures("compared")
def test_nobody_else_is_let_in_and_an_interruption_leaves_nothing(run_id: str) -> None:
    process, pid, before = started(run_id)
    port = port_of(pid)
    for auth in (None, ("pipeline", "pipeline")):
        answer = requests.get(f"http://{HOST}:{port}/3/About", auth=auth, timeout=30)
        assert answer.status_code == 401
    ports = {number for _, number in listening(pid)}
    assert f"{port:04X}" in ports
    assert f"{port + 1:04X}" not in ports  # H2O's port for other nodes

    process.send_signal(signal.SIGINT)
    p.end(process, code=130)

    assert_nothing_is_left(run_id)
    assert not is_listened_on(port)
    assert (results_of(run_id) / "h2o-gbm" / "result.json").read_bytes() == before


@pytest.mark.usefixtures("compared")
def test_a_server_that_dies_is_an_error_with_its_name_and_the_old_result_stays(
    run_id: str,
) -> None:
    process, pid, before = started(run_id)

    os.kill(pid, signal.SIGKILL)
    _, err = p.end(process, code=4)

    assert "h2o-gbm: H2O failed: its server ended" in err
    assert_nothing_is_left(run_id)
    assert (results_of(run_id) / "h2o-gbm" / "result.json").read_bytes() == before


@pytest.mark.usefixtures("compared")
def test_a_killed_pipeline_leaves_no_server(run_id: str) -> None:
    process, pid, _ = started(run_id)
    port = port_of(pid)

    process.send_signal(signal.SIGKILL)
    process.communicate()

    wait_until(lambda: not servers(run_id), "a server is left")
    assert not is_listened_on(port)

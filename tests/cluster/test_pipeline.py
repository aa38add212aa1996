"""The pipeline on a real cluster: the same records as without one, and what faults do to it."""

from __future__ import annotations

import signal
import subprocess
import tarfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from models.artifact import load_model
from mr_jobs.lib.sequencefile import Reader, Writer
from pipeline.cluster import Cluster
from pipeline.ledger import Ledger
from pipeline.runs import load_run
from pipeline.sample import write_sample
from pipeline.stores import HdfsStore, LocalStore
from tests.cluster import pipelines as p
from tests.cluster.conftest import free_port_base

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, repo_root: Path) -> Path:
    """A small sample in ILSVRC's layout, with the odd files of ../shared as one more class."""
    root = tmp_path_factory.mktemp("data") / "sample"
    write_sample(root, n_classes=3, n_images=40, seed=5)
    quirky = repo_root.parent / "shared" / "data" / "quirky" / "images"
    if quirky.is_dir():
        inner = root / "n99009999.tar"
        with tarfile.open(inner, "w") as tar:
            for path in sorted(quirky.iterdir()):
                tar.add(path, path.name)
        with tarfile.open(root / "ILSVRC2012_img_train.tar", "a") as tar:
            tar.add(inner, inner.name)
        inner.unlink()
        with (root / "LOC_synset_mapping.txt").open("a") as mapping:
            mapping.write("n99009999 odd files\n")
    return root


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Features with codebooks of both kinds, learned in a round; bundles that share a task."""
    path = tmp_path_factory.mktemp("config") / "learned.toml"
    path.write_text(
        "[data]\nbundle_mb = 1\n"
        '[features]\nfeatures = ["hog", "hsv_pyramid", "lbp", "patches", "fisher"]\n'
        "[features.patches]\nn_centroids = 20\n[features.fisher]\nn_gaussians = 4\n"
        "[codebooks]\nsamples = 10_000\nrounds = 1\n"
    )
    return path


@pytest.fixture(scope="module")
def hadoop_run(cluster: Cluster, data: Path, config: Path) -> Iterator[dict[str, Any]]:
    """A run on the cluster that was there before, all by jobs, whose outputs stay in HDFS."""
    run_id = f"test-{uuid.uuid4().hex[:8]}"
    all_jobs = config.with_name("all-jobs.toml")
    all_jobs.write_text(config.read_text() + "[passes]\nhere_mb = 0\n")
    with p.forgotten(run_id):
        yield p.run(
            "full", "--data", data, "--config", all_jobs, "--run-id", run_id, *p.on(cluster)
        )


def test_records_and_predictions_are_the_same_as_without_a_cluster(
    cluster: Cluster, data: Path, config: Path, hadoop_run: dict[str, Any]
) -> None:
    run_id = f"test-{uuid.uuid4().hex[:8]}"
    with p.forgotten(run_id):
        here = p.run(
            "full", "--data", data, "--config", config, "--runner", "inline", "--run-id", run_id,
            "--keep",
        )  # fmt: skip
        on_hadoop, local = p.store_of(hadoop_run["run_id"], cluster), p.store_of(run_id, None)

        for name in ("features", "shards"):
            assert p.records(on_hadoop, name) == p.records(local, name), name
        on_hadoop = p.images_of(hadoop_run["run_id"], cluster)
        local = p.images_of(run_id, None)
        assert p.records(on_hadoop, "bundles") == p.records(local, "bundles")
        for name in ("catalog", "duplicates", "boxes", "synsets"):
            assert p.lines(on_hadoop, name) == p.lines(local, name), name
        assert hadoop_run["counts"] == here["counts"]
        both = [Path(r["run_dir"]) for r in (hadoop_run, here)]
        for name in ("predictions.tsv", "synsets.tsv", "confusion.tsv", "submission.txt"):
            assert (both[0] / name).read_bytes() == (both[1] / name).read_bytes(), name
        models = [load_model(directory).estimator[-1] for directory in both]
        assert (models[0].coef_ == models[1].coef_).all()


def test_predictions_by_a_job_are_those_of_the_run(
    cluster: Cluster, hadoop_run: dict[str, Any], tmp_path: Path
) -> None:
    images = load_run(hadoop_run["run_id"])
    assert images is not None

    p.run(
        "predict", hadoop_run["run_id"], "--images", images.images, "--runner", "hadoop",
        "--output", tmp_path / "all.tsv", *p.on(cluster),
    )  # fmt: skip

    said = (tmp_path / "all.tsv").read_text().splitlines()
    of_run = (Path(hadoop_run["run_dir"]) / "predictions.tsv").read_text().splitlines()
    assert len(said) == 1 + hadoop_run["counts"]["kept"]
    assert set(of_run) <= set(said)


def test_hadoop_prints_a_bundle_that_python_wrote_and_that_it_wrote(
    cluster: Cluster, hadoop_run: dict[str, Any], tmp_path: Path
) -> None:
    store = p.images_of(hadoop_run["run_id"], cluster)
    name = store.files("bundles")[0]
    with store.open(name) as file:
        records = [(r.key, r.value) for r in Reader(file, name).records()][:5]
    mine = tmp_path / "mine.seq"
    with mine.open("wb") as out, Writer(out) as writer:
        for key, value in records:
            writer.append(key, value)

    by_python = _text(cluster, mine.as_uri())
    by_hadoop = _text(cluster, store.uri(name))

    assert len(by_python) == 5
    assert by_hadoop[:5] == by_python
    assert by_python[0].split("\t")[0] == bytes(records[0][0]).hex(" ")  # type: ignore[arg-type]


def _text(cluster: Cluster, uri: str) -> list[str]:
    command = [str(cluster.hadoop_bin), "fs", "-text", uri]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return answer.stdout.splitlines()


def test_a_killed_map_task_changes_nothing(cluster: Cluster, hadoop_run: dict[str, Any]) -> None:
    before = _forget_features(cluster, hadoop_run)

    process = p.start("features", "--run-id", hadoop_run["run_id"], *p.on(cluster))
    p.kill(p.wait_until_there(lambda: p.tasks(cluster.dir, "mr_extract_features.py")))
    p.end(process)

    assert p.records(p.store_of(hadoop_run["run_id"], cluster), "features") == before


def test_a_killed_nodemanager_is_started_again_and_the_run_ends_the_same(
    cluster: Cluster, hadoop_run: dict[str, Any]
) -> None:
    before = _forget_features(cluster, hadoop_run)
    p.store_of(hadoop_run["run_id"], cluster).delete("shards")  # another job is to come
    predictions = (Path(hadoop_run["run_dir"]) / "predictions.tsv").read_bytes()

    process = p.start("full", "--run-id", hadoop_run["run_id"], *p.on(cluster))
    p.wait_until_there(lambda: p.tasks(cluster.dir, "mr_extract_features.py"))
    p.kill(p.daemon(cluster, "NodeManager"))
    _, err = p.end(process)

    assert p.records(p.store_of(hadoop_run["run_id"], cluster), "features") == before
    assert (Path(hadoop_run["run_dir"]) / "predictions.tsv").read_bytes() == predictions
    assert "what is missing is started now" in err
    assert p.daemon(cluster, "NodeManager")


def test_a_killed_pipeline_goes_on_with_its_run_id(
    cluster: Cluster, hadoop_run: dict[str, Any]
) -> None:
    before = _forget_features(cluster, hadoop_run)

    process = p.start("full", "--run-id", hadoop_run["run_id"], *p.on(cluster))
    p.wait_until_there(lambda: p.tasks(cluster.dir, "mr_extract_features.py"))
    p.kill([process.pid])
    process.communicate()
    again = p.run("full", "--run-id", hadoop_run["run_id"], *p.on(cluster))

    assert "bundle: already done" in again["stderr"]
    assert p.records(p.store_of(hadoop_run["run_id"], cluster), "features") == before


def _forget_features(cluster: Cluster, run: dict[str, Any]) -> list[tuple[object, object]]:
    store = p.store_of(run["run_id"], cluster)
    before = p.records(store, "features")
    store.delete("features")
    LocalStore(p.ROOT / "var" / "runs" / run["run_id"]).delete("save")  # else all is done
    return before


def test_a_damaged_key_in_a_bundle_is_a_data_error_in_one_sentence(
    cluster: Cluster, hadoop_run: dict[str, Any]
) -> None:
    store = p.images_of(hadoop_run["run_id"], cluster)
    first = store.files("bundles")[0]
    with store.open(first) as file:
        whole = file.read()
    p.store_of(hadoop_run["run_id"], cluster).delete("features")
    damaged = whole.replace(b"train/n9", b"twist/n9", 1)
    store.write(first, [damaged])
    try:
        _, err = p.end(p.start("features", "--run-id", hadoop_run["run_id"], *p.on(cluster)), 5)
    finally:
        store.write(first, [whole])

    assert "not an image key" in err.splitlines()[-1]


def test_a_failed_task_is_reported_with_its_python_traceback(cluster: Cluster, data: Path) -> None:
    run_id = f"test-{uuid.uuid4().hex[:8]}"
    with p.forgotten(run_id):
        p.run("ingest", data, "--images", run_id, "--run-id", run_id, *p.on(cluster))
        store = p.images_of(run_id, cluster)
        ledger = Ledger.load(store)
        ledger.batches[0].state = "planned"
        ledger.save(store)
        store.delete("bundles/_manifest.json")
        store.write("plan/00000/00000.json", [b"no JSON\n"])

        _, err = p.end(p.start("bundle", "--run-id", run_id, *p.on(cluster)), 4)

    assert "Traceback (most recent call last):" in err
    assert "mr_bundle_images.py" in err
    assert err.splitlines()[-1].startswith("json.decoder.JSONDecodeError")


def test_the_uploads_of_finished_jobs_are_removed_from_hdfs(
    cluster: Cluster, hadoop_run: dict[str, Any]
) -> None:
    uploads = HdfsStore(cluster.webhdfs_url, cluster.fs_uri, cluster.in_hdfs())

    left = [name for name in uploads.list("tmp") if name.startswith("mr_split")]

    assert hadoop_run["counts"]["train"] > 0
    assert left == []


def test_raw_tars_that_are_in_hdfs_are_used_where_they_are(
    cluster: Cluster, data: Path, hadoop_run: dict[str, Any]
) -> None:
    raw = HdfsStore(cluster.webhdfs_url, cluster.fs_uri, "/raw")
    for path in data.iterdir():
        if path.is_file():
            raw.write(path.name, [path.read_bytes()])
    run_id = f"test-{uuid.uuid4().hex[:8]}"
    with p.forgotten(run_id):
        p.run("ingest", "hdfs:///raw", "--run-id", run_id, *p.on(cluster))
        mine, other = p.images_of(run_id, cluster), p.images_of(hadoop_run["run_id"], cluster)

        assert p.records(mine, "bundles") == p.records(other, "bundles")
        assert not mine.exists("raw/00000")


def test_hdfs_data_that_does_not_exist_is_named(cluster: Cluster) -> None:
    run_id = f"test-{uuid.uuid4().hex[:8]}"
    with p.forgotten(run_id):
        process = p.start("full", "--data", "hdfs:///none", "--run-id", run_id, *p.on(cluster))
        _, err = p.end(process, 2)

    assert "no such data directory: hdfs://" in err.splitlines()[-1]


def test_ctrl_c_destroys_what_the_run_made(tmp_path: Path, data: Path) -> None:
    name, run_id = f"test-{uuid.uuid4().hex[:8]}", f"test-{uuid.uuid4().hex[:8]}"
    place = tmp_path / name
    with p.forgotten(run_id):
        process = p.start(
            "full", "--data", data, "--run-id", run_id, "--name", name, "--cluster-dir", place,
            "--port-base", free_port_base(),
        )  # fmt: skip
        p.wait_until_there(lambda: p.tasks(place, "mr_bundle_images.py"))
        process.send_signal(signal.SIGINT)
        _, err = p.end(process, 130)

    assert "nothing is left of it" in err
    assert not place.exists()
    assert not p.processes(lambda argv, _: any(f"cluster.id={name}-" in arg for arg in argv))

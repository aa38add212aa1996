"""What the fault tests share: a small data set, a sound run of it, and one cluster, kept well."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline import cluster as clusters
from pipeline.cluster import Cluster
from pipeline.sample import write_sample
from tests.cluster import pipelines as p
from tests.cluster.faults import hadoop as h


@pytest.fixture
def well(cluster: Cluster) -> Iterator[Cluster]:
    """The session's cluster; what a test leaves broken is started again."""
    yield cluster
    if not h.is_well(cluster):
        clusters.up(cluster.name, directory=cluster.dir, progress=lambda _: None)


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small sample in ILSVRC's layout."""
    root = tmp_path_factory.mktemp("data") / "sample"
    write_sample(root, n_classes=3, n_images=30, seed=7)
    return root


@pytest.fixture(scope="session")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small features; bundles of 1 MB, so that there are several."""
    path = tmp_path_factory.mktemp("config") / "small.toml"
    path.write_text(
        '[data]\nbundle_mb = 1\n[features]\nfeatures = ["lab_pixels", "patches"]\nimage_px = 48\n'
        "[features.patches]\nside_px = 32\nn_centroids = 10\n"
        "[codebooks]\nsamples = 2_000\nrounds = 1\n"
    )
    return path


@pytest.fixture(scope="session")
def sound_run(_own_places: None, data: Path, config: Path) -> Iterator[dict[str, Any]]:
    """The same run without a fault, without a cluster: what every other one must come to."""
    run_id = f"test-{uuid.uuid4().hex[:8]}"
    args = ("--data", data, "--config", config, "--runner", "inline", "--run-id", run_id)
    with p.forgotten(run_id):
        yield p.run("full", *args)


@pytest.fixture(scope="session")
def hadoop_run(
    cluster: Cluster, data: Path, config: Path, sound_run: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    """The run on the cluster, all by jobs, whose driver is killed in three of its steps."""
    run_id = f"test-{uuid.uuid4().hex[:8]}"
    all_jobs = config.with_name("all-jobs.toml")
    all_jobs.write_text(config.read_text() + "[passes]\nhere_mb = 0\n")
    args = ("full", "--data", data, "--config", all_jobs, "--run-id", run_id, *p.on(cluster))
    with p.forgotten(run_id):
        for script in ("mr_bundle_images.py", "mr_extract_features.py", "mr_sum_moments.py"):
            process = p.start(*args)
            p.wait_until_there(lambda script=script: p.tasks(cluster.dir, script))  # type: ignore[misc]
            p.kill([process.pid])
            process.communicate()
        made = p.run(*args)
        assert predictions(made) == predictions(sound_run)
        yield made


def predictions(run: dict[str, Any]) -> dict[str, bytes]:
    """Return what a run says of its images."""
    names = ("predictions.tsv", "synsets.tsv", "confusion.tsv")
    return {name: (Path(run["run_dir"]) / name).read_bytes() for name in names}

"""Mahout on a deployed cluster: added to one that runs, its two jobs beside ours, gone with it."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mr_jobs.lib.errors import JobError
from mr_jobs.lib.sequencefile import Writer, open_reader
from mr_jobs.lib.vector_writable import decode_vector, encode_vectors
from pipeline import cluster as clusters
from pipeline import mahout as jobs
from pipeline import yarn
from pipeline.cluster import Cluster
from pipeline.progress import Progress
from pipeline.sample import write_sample
from pipeline.stores import HdfsStore
from tests.cluster import pipelines as p
from tests.cluster.components import added
from tests.cluster.conftest import say

pytestmark = [pytest.mark.cluster, pytest.mark.landscape, pytest.mark.mahout]

NAME = "test-mahout"
JAVA = Path(__file__).parents[1] / "java"
CONFIG = """
[features]
features = ["patches", "fisher"]
[features.patches]
n_centroids = 30
[features.fisher]
n_components = 24
n_gaussians = 4
[codebooks]
samples = 12_000
rounds = 3
"""


@pytest.fixture(scope="module")
def mahout(_own_places: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Deploy a cluster, add Mahout to it, and destroy both in any case."""
    place = tmp_path_factory.mktemp("mahout") / NAME
    with added(place, "mahout", "mahout_bin", ()) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def run_id(mahout: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Make a run whose images stay in HDFS, with codebooks of both kinds."""
    folder = tmp_path_factory.mktemp("data")
    write_sample(folder / "sample", n_classes=3, n_images=60, seed=7)
    (folder / "config.toml").write_text(CONFIG)
    made = f"test-{uuid.uuid4().hex[:8]}"
    with p.forgotten(made):
        given = ("--data", folder / "sample", "--config", folder / "config.toml", "--run-id", made)
        p.run("full", *given, *p.on(mahout))
        yield made


def left_in_hdfs(cluster: Cluster, run_id: str) -> list[str]:
    store = HdfsStore(cluster.webhdfs_url, cluster.fs_uri, cluster.in_hdfs("runs", run_id))
    return [name for name in store.list("") if name.startswith("mahout")]


def java(cluster: Cluster, program: str, *args: object) -> str:
    """Run one of our Java programs with Mahout's jars; return what it prints."""
    command = [str(cluster.mahout_bin), str(JAVA / program), *map(str, args)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def states(cluster: Cluster, result: dict[str, Any]) -> set[str]:
    """Return how YARN says that the jobs of a command ended."""
    url = cluster.resourcemanager_url
    return {str(yarn.application(url, job).get("finalStatus")) for job in result["jobs"]}


def test_vectors_of_either_are_read_by_the_other(mahout: Cluster, tmp_path: Path) -> None:
    rows = np.random.default_rng(3).normal(size=(5, 300))
    rows[:, ::3] = 0.0
    rows[0], rows[1, :3] = 0.0, (1e30, -1e-30, 5e-324)
    singles = rows.astype(np.float32)
    with (tmp_path / "python.seq").open("wb") as file:
        writer = Writer(file, key_class="IntWritable", value_class="VectorWritable")
        for number, encoded in enumerate([*encode_vectors(rows[1:]), *encode_vectors(singles[2:])]):
            writer.append(number, encoded)
        writer.close()
    given = [*rows[1:], *singles[2:].astype(np.float64)]

    java(mahout, "VectorCheck.java", tmp_path / "python.seq", tmp_path / "java.seq")

    with open_reader(tmp_path / "java.seq") as reader:
        found = [record.value for record in reader.records()]
    assert len(found) == 8 * len(given)
    for number, row in enumerate(given):
        forms = [bytes(form) for form in found[8 * number : 8 * number + 8]]  # type: ignore[arg-type]
        single = row.astype(np.float32)
        assert forms[0] == next(encode_vectors(row[np.newaxis]))
        assert forms[4] == next(encode_vectors(single[np.newaxis]))
        for form in forms[:4]:
            assert (decode_vector(form) == row).all()
        for form in forms[4:]:
            assert (decode_vector(form) == single).all()


def test_ssvd_spans_the_same_components_as_ours(mahout: Cluster, run_id: str) -> None:
    result = p.run("mahout", "ssvd", "--run-id", run_id)

    figures = result["figures"]
    assert (figures["columns"], figures["rank"], result["version"]) == (128, 24, "0.13.0")
    assert figures["rows"] >= 10_000
    assert figures["largest_angle"] < 1e-3
    assert figures["deviations_differ_by"] < 1e-3
    assert len(result["jobs"]) == 3
    assert states(mahout, result) == {"SUCCEEDED"}
    assert left_in_hdfs(mahout, run_id) == []


def test_random_directions_alone_do_not_span_them(mahout: Cluster, run_id: str) -> None:
    """The comparison can fail: with a coarse approximation the angles are large."""
    coarse = ("--oversampling", 2, "--power-iterations", 0)

    result = p.run("mahout", "ssvd", "--run-id", run_id, *coarse)

    assert result["figures"]["largest_angle"] > 1e-2


def test_mahouts_own_way_to_subtract_the_mean_ends_in_wrong_eigenvalues(mahout: Cluster) -> None:
    """Why the rows are written without their mean: `--pca` leaves such a matrix, by rounding."""
    for line in java(mahout, "EigenCheck.java").splitlines():
        _, tried, wrong, wrong_as_symmetric = map(int, line.split())
        assert (wrong, wrong_as_symmetric) == (tried, 0)


def test_power_iterations_make_up_for_few_directions(mahout: Cluster, run_id: str) -> None:
    some = ("--oversampling", 40, "--power-iterations", 2)

    result = p.run("mahout", "ssvd", "--run-id", run_id, *some)

    assert len(result["jobs"]) == 3 + 2 * 2
    assert result["figures"]["largest_angle"] < 1e-2


def test_kmeans_comes_to_the_same_codebook_as_ours(mahout: Cluster, run_id: str) -> None:
    result = p.run("mahout", "kmeans", "--run-id", run_id)

    figures = result["figures"]
    assert (figures["columns"], figures["centroids"], figures["rounds"]) == (108, 30, 3)
    assert len(result["jobs"]) == 3
    assert states(mahout, result) == {"SUCCEEDED"}
    assert figures["inertia_mahout"] < figures["inertia_start"]
    assert figures["inertias_differ_by"] < 1e-3
    assert figures["centroids_apart"] < 1e-2 * figures["centroids_long"]
    assert left_in_hdfs(mahout, run_id) == []


def test_run_is_as_it_was(mahout: Cluster, run_id: str) -> None:
    again = p.run("codebook", "--run-id", run_id)

    assert "already done" in again["stderr"]


def test_job_without_input_fails_with_javas_words(mahout: Cluster, tmp_path: Path) -> None:
    args = ["--input", "/nowhere", "--output", "/nowhere-else", "--rank", "2", "--reduceTasks", "1"]

    with (
        Progress("test") as progress,
        pytest.raises(JobError, match=r"ssvd failed: java\.io\.IOException: Unable to open input"),
    ):
        jobs.run_mahout(mahout, "ssvd", [], args, tmp_path / "log", progress)


def test_programs_carry_the_clusters_id(mahout: Cluster) -> None:
    done = subprocess.run(
        [str(mahout.mahout_bin), "kmeans", "--help"],
        env={**os.environ, "HADOOP_CLIENT_OPTS": "-XshowSettings:properties"},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert f"cluster.id = {mahout.id}" in done.stderr


def test_second_up_without_a_word_of_mahout_changes_nothing(mahout: Cluster) -> None:
    again = clusters.up(mahout.name, directory=mahout.dir, progress=say)

    assert (again.changed, again.cluster) == (0, mahout)


def test_down_leaves_nothing_of_mahout(mahout: Cluster) -> None:
    receipt = clusters.down(
        mahout.name, directory=mahout.dir, expected_id=mahout.id, discard_unsaved=True, progress=say
    )

    assert receipt is not None
    assert not mahout.dir.exists()
    assert p.processes(lambda argv, _: f"-Dcluster.id={mahout.id}" in argv) == []

"""What a job on the cluster costs and leaves, and how its input is divided."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.mr_empty import MREmpty
from mr_jobs.lib.sequencefile import Writer
from mr_jobs.mr_extract_features import MRExtractFeatures
from pipeline.cluster import Cluster
from pipeline.job_arguments import JobSpec
from pipeline.jobs import JobResult, run_job
from pipeline.progress import Progress
from pipeline.stores import HdfsStore
from tests.cluster import pipelines as p

pytestmark = pytest.mark.cluster


@pytest.fixture
def store(cluster: Cluster) -> Iterator[HdfsStore]:
    made = HdfsStore(cluster.webhdfs_url, cluster.fs_uri, "/test-jobs")
    made.write("lines/one.txt", [b"a line\n"])
    yield made
    made.delete("")


def empty(cluster: Cluster, store: HdfsStore) -> JobResult:
    spec = JobSpec("empty", MREmpty, [store.uri("lines")], store, "counted")
    return run_job(spec, "hadoop", "test", Progress("empty"), cluster)


def test_a_job_starts_at_most_five_programs_of_hadoop(
    cluster: Cluster, store: HdfsStore, tmp_path: Path
) -> None:
    calls, counting = tmp_path / "calls", tmp_path / "hadoop"
    counting.write_text(f'#!/bin/sh\necho "$1" >>{calls}\nexec {cluster.hadoop_bin} "$@"\n')
    counting.chmod(0o755)

    result = empty(replace(cluster, hadoop_bin=counting), store)

    assert result.counters == {"read": 1}
    assert "jar" in calls.read_text().split()
    assert len(calls.read_text().split()) <= 5


def test_jobs_into_the_same_place_one_after_another_do_not_disturb_each_other(
    cluster: Cluster, store: HdfsStore
) -> None:
    ids = set()
    for _ in range(3):  # a master lives for 5 s after its job, and then deletes OUTPUT/_temporary
        result = empty(cluster, store)
        ids.add(result.application_id)
        assert p.lines(store, "counted") == [b'"lines"\t1']

    assert len(ids) == 3
    assert not store.exists("work/tries/empty")


def test_many_small_bundles_are_one_task_and_a_large_one_several(
    cluster: Cluster, store: HdfsStore, tmp_path: Path
) -> None:
    random = np.random.default_rng(0)
    picture = cv2.resize(random.integers(0, 256, (4, 4, 3), np.uint8), (40, 40))
    encoded = cv2.imencode(".jpg", picture)[1].tobytes()
    keys = [f"train/n00000001/{number}.JPEG" for number in range(3000)]
    for number, some in enumerate((keys[:10], keys[10:20], keys[20:])):
        path = tmp_path / f"{number}.seq"
        with path.open("wb") as file, Writer(file) as writer:
            for key in some:
                writer.append(key.encode(), encoded)
        store.send(f"bundles/{number}.seq", path, 0, path.stat().st_size)
    few = [store.uri("bundles/0.seq"), store.uri("bundles/1.seq")]

    results = {}
    for name, inputs, total in (("few", few, 20), ("many", [store.uri("bundles")], 3000)):
        args = ["--features", '{"features": ["lab_pixels"]}']
        spec = JobSpec(name, MRExtractFeatures, inputs, store, name, args, total=total)
        results[name] = run_job(spec, "hadoop", "test", Progress(name), cluster)

    assert results["few"].facts[0]["maps"] == 1
    assert results["many"].facts[0]["maps"] > 1  # type: ignore[operator]
    assert [key.decode() for key, _ in p.records(store, "few")] == sorted(keys[:20])  # type: ignore[attr-defined]
    assert [key.decode() for key, _ in p.records(store, "many")] == sorted(keys)  # type: ignore[attr-defined]

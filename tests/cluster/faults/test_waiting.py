"""A job that does not go on says why; one that never could is ended with a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from mr_jobs.lib.errors import ClusterError, JobError
from pipeline import yarn
from pipeline.cluster import Cluster
from tests.cluster.conftest import say
from tests.cluster.faults import hadoop as h

pytestmark = [pytest.mark.cluster, pytest.mark.faults]


def test_a_full_queue_is_waited_for_and_its_holder_named(well: Cluster, tmp_path: Path) -> None:
    with h.job(well, tmp_path, h.OWN_TASKS, "mapreduce.map.memory.mb=2048", name="hog") as hog:
        h.wait_for(hog.tasks)
        with h.job(well, tmp_path, is_open=True) as job:
            said = job.says("waits for room in queue default")
            still_there = yarn.application(well.resourcemanager_url, hog.application_ids[0])
            hog.open()
            result = job.future.result(60)

    say(said)
    assert f"3072 of YARN's 3072 MB are in use, held by {hog.application_ids[0]}" in said
    assert "(faults hog of " in said
    assert still_there["state"] == "RUNNING"  # nobody else's job is touched
    assert result.counters == {"read": 2}
    assert "goes on after" in job.said


def test_a_queue_without_room_for_one_more_master_is_named(well: Cluster, tmp_path: Path) -> None:
    limit = {"yarn.scheduler.capacity.maximum-am-resource-percent": 0.01}
    with h.other_queues(well, limit), h.job(well, tmp_path, h.OWN_TASKS, name="hog") as hog:
        h.wait_for(hog.tasks)
        with h.job(well, tmp_path, is_open=True) as job:
            said = job.says("queue default starts no more masters")
            hog.open()
            result = job.future.result(60)

    say(said)
    assert f"held by {hog.application_ids[0]}" in said
    assert result.counters == {"read": 2}


def test_a_stopped_queue_is_one_sentence(well: Cluster, tmp_path: Path) -> None:
    stopped = {"yarn.scheduler.capacity.root.default.state": "STOPPED"}
    with (
        h.other_queues(well, stopped),
        h.job(well, tmp_path, is_open=True) as job,
        pytest.raises(JobError) as failed,
    ):
        job.future.result(60)

    say(str(failed.value))
    assert "Queue root.default is STOPPED" in str(failed.value)
    assert len(str(failed.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("setting", "asked"),
    [
        ("mapreduce.map.memory.mb=100000", "<memory:100000, vCores:1>"),
        ("mapreduce.reduce.memory.mb=100000", "<memory:100000, vCores:1>"),
        ("yarn.app.mapreduce.am.resource.mb=100000", "<memory:100000, vCores:1>"),
        ("mapreduce.map.cpu.vcores=64", "vCores:64>"),
    ],
)
def test_more_than_a_container_may_have_is_one_sentence(
    well: Cluster, tmp_path: Path, setting: str, asked: str
) -> None:
    with (
        h.job(well, tmp_path, h.OWN_TASKS, setting, is_open=True) as job,
        pytest.raises(JobError) as failed,
    ):
        job.future.result(60)

    say(str(failed.value))
    assert asked in str(failed.value)
    assert "YARN gives <memory:3072, vCores:3> at most; ask for less" in str(failed.value)
    assert len(job.application_ids) <= 1  # not tried again


def test_more_than_any_node_has_any_more_ends_the_job(well: Cluster, tmp_path: Path) -> None:
    with h.job(well, tmp_path, h.OWN_TASKS, "mapreduce.map.memory.mb=2048", name="hog") as hog:
        h.wait_for(hog.tasks)
        large = "yarn.app.mapreduce.am.resource.mb=2048"
        with h.job(well, tmp_path, large, is_open=True) as job:
            h.wait_for(lambda: job.application_ids)
            with h.smaller_node(well, 1536), pytest.raises(JobError) as failed:
                job.future.result(60)
        left = [app["id"] for app in yarn.unfinished(well.resourcemanager_url)]

    say(str(failed.value))
    assert str(failed.value).startswith(
        "it asks for 2048 MB and 1 core(s) for a container and the largest node of YARN has 1536 MB"
    )
    assert left == hog.application_ids


def test_a_node_with_a_full_disk_is_named_with_its_report(well: Cluster, tmp_path: Path) -> None:
    limit = "yarn.nodemanager.disk-health-checker.max-disk-utilization-per-disk-percentage"
    with h.other_settings(well, "nodemanager", {limit: 0.1}, tmp_path):
        h.wait_for(lambda: h.has_node(well, "UNHEALTHY"))
        with h.job(well, tmp_path, is_open=True) as job, pytest.raises(ClusterError) as failed:
            job.future.result(60)

    say(str(failed.value))
    assert str(failed.value).startswith("YARN has no healthy NodeManager (")
    assert "used space above threshold of 0.1%" in str(failed.value)
    assert "no progress for" in job.said


def test_a_lost_node_is_named(well: Cluster, tmp_path: Path) -> None:
    with h.job(well, tmp_path) as job:
        h.wait_for(job.tasks)
        h.stop(well, "nodemanager")
        with pytest.raises(ClusterError) as failed:
            job.future.result(120)

    say(str(failed.value))
    assert " is lost" in str(failed.value)
    assert "`bin/pipeline up` starts what is missing" in str(failed.value)


def test_a_resourcemanager_that_does_not_answer_is_named(well: Cluster, tmp_path: Path) -> None:
    with h.job(well, tmp_path) as job:
        h.wait_for(job.tasks)
        h.stop(well, "resourcemanager")
        with pytest.raises(ClusterError) as failed:
            job.future.result(120)

    say(str(failed.value))
    assert str(failed.value).startswith("YARN's ResourceManager does not answer")
    assert "no progress for" in job.said


def test_a_namenode_that_does_not_answer_is_named(well: Cluster, tmp_path: Path) -> None:
    with h.job(well, tmp_path) as job:
        h.wait_for(job.tasks)
        h.stop(well, "namenode")
        with pytest.raises(ClusterError) as failed:
            job.future.result(120)

    say(str(failed.value))
    assert str(failed.value).startswith("HDFS' NameNode does not answer")


def test_safe_mode_entered_by_hand_is_named(well: Cluster, tmp_path: Path) -> None:
    with h.job(well, tmp_path) as job:
        h.wait_for(job.tasks)
        h.run(well, "dfsadmin", "-safemode", "enter")
        try:
            with pytest.raises(ClusterError) as failed:
                job.future.result(150)
        finally:
            h.run(well, "dfsadmin", "-safemode", "leave")

    say(str(failed.value))
    assert str(failed.value).startswith("HDFS is in safe mode and takes no writes (Safe mode is ON")
    assert "no progress for" in job.said

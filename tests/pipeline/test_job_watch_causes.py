"""Why a job waits, by answers as YARN and HDFS gave them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mr_jobs.lib.errors import ClusterError
from pipeline import failures
from pipeline.job_watch_causes import NeverRunsError, Seen, cause_of, refusal


def node(state: str = "RUNNING", *, memory: int = 3072, free: int = 0, **more: Any) -> Any:
    total = {"memory": memory, "vCores": 3}
    return {
        "nodeHostName": "w1",
        "state": state,
        "totalResource": total,
        "availMemoryMB": free,
        **more,
    }


def app(app_id: str = "application_1_1", state: str = "ACCEPTED", **more: Any) -> Any:
    return {"id": app_id, "state": state, "queue": "root.default", "name": "j", "user": "u", **more}


def asking(memory: int, cores: int = 1) -> Any:
    ask = {
        "resourceName": "*",
        "numContainers": 1,
        "capability": {"memory": memory, "vCores": cores},
    }
    return [ask, {**ask, "resourceName": "/rack"}]


WELL = {"Safemode": "", "LiveNodes": json.dumps({"d1": {"lastContact": 1}}), "Free": 1 << 40}
SILENT = {**WELL, "LiveNodes": json.dumps({"d": {"lastContact": 60}})}
BY_HAND = {"Safemode": "Safe mode is ON. \n By hand."}
SICK = node("UNHEALTHY", healthReport="1/1 local-dirs")
QUEUE = {"queueName": "default", "state": "RUNNING", "AMResourceLimit": {"memory": 1024}}
OTHER = app("application_1_9", "RUNNING", allocatedMB=2048)


@pytest.mark.parametrize(
    ("seen", "says", "ends"),
    [
        (Seen(nodes=None), "ResourceManager does not answer", True),
        (Seen([node()], namenode=None), "NameNode does not answer", True),
        (Seen([node()], namenode=BY_HAND), "(Safe mode is ON. By hand)", True),
        (Seen([node()], namenode={**WELL, "LiveNodes": "{}"}), "no DataNode that answers", True),
        (Seen([node()], namenode=SILENT), "no DataNode", True),
        (Seen([node()], namenode={**WELL, "Free": 7 << 20}), "HDFS is full: 7 MB are left", False),
        (Seen([]), "no healthy NodeManager; ", True),
        (Seen([SICK]), "(w1 is unhealthy: 1/1 local-dirs)", True),
        (Seen([node("LOST")]), "(w1 is lost)", True),
        (Seen([node()]), "client has not submitted it yet", False),
        (Seen([node()], app(resourceRequests=asking(4096))), "asks for 4096 MB", True),
        (Seen([node(free=3072)], app(resourceRequests=asking(512, 8))), "8 core(s)", True),
        (
            Seen([node(free=0)], app(resourceRequests=asking(512, 8)), QUEUE),
            "waits for room",
            False,
        ),
        (Seen([node()], app(), QUEUE, [OTHER]), "held by application_1_9 (j of u, 2048 MB)", False),
        (Seen([node()], app(), {**QUEUE, "state": "STOPPED"}), "its state is STOPPED", False),
        (
            Seen([node()], app(diagnostics="Queue's AM resource limit exceeded."), QUEUE, [OTHER]),
            "no more masters than fit into 1024 MB, held by application_1_9",
            False,
        ),
        (
            Seen([node()], app(state="RUNNING", resourceRequests=asking(1024)), QUEUE),
            "more containers wait for room in queue default: 3072 of YARN's 3072 MB",
            False,
        ),
        (
            Seen([node()], app(state="RUNNING"), attempts=[("attempt_1_m_0_0", "w1")]),
            "attempt_1_m_0_0 on w1 says nothing for 20 s",
            False,
        ),
        (Seen([node(), node("LOST")], app(state="RUNNING")), "YARN says RUNNING", False),
    ],
)
def test_the_cause_is_named_and_only_what_cannot_go_on_is_ended(
    seen: Seen, says: str, *, ends: bool
) -> None:
    cause = cause_of(seen, 20.0)

    assert says in cause.says
    assert (cause.ends_after_s is not None) is ends
    assert "\n" not in cause.says


def test_what_is_too_large_is_not_the_clusters_fault() -> None:
    assert (
        cause_of(Seen([node()], app(resourceRequests=asking(4096))), 20.0).error is NeverRunsError
    )
    assert cause_of(Seen([]), 20.0).error is ClusterError


def test_many_holders_are_counted_not_listed() -> None:
    others = [app(f"application_1_{n}", "RUNNING", allocatedMB=1) for n in range(9)]

    assert "and 6 more" in cause_of(Seen([node()], app(), QUEUE, others), 20.0).says


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (
            "Invalid resource request! Requested resource=<memory:100000, vCores:1>, maximum "
            "allowed allocation=<memory:3072, vCores:3>, please note",
            "it asks for <memory:100000, vCores:1> for a container and YARN gives "
            "<memory:3072, vCores:3> at most; ask for less",
        ),
        (
            "The required MAP capability is more than the supported max container capability in "
            "the cluster. Killing the Job. mapResourceRequest: <memory:1024, vCores:64> "
            "maxContainerCapability:<memory:3072, vCores:3>",
            "it asks for <memory:1024, vCores:64> for a container and YARN gives "
            "<memory:3072, vCores:3> at most; ask for less",
        ),
        (
            "Unauthorized request to start container. This token is expired. current time is 2 "
            "found 1",
            "a host of YARN found the master's order to start a container too old, so its clock "
            "is ten minutes or more ahead; set the clocks of all hosts, by NTP",
        ),
        ("Traceback (most recent call last):", None),
    ],
)
def test_a_refusal_is_one_sentence(said: str, sentence: str | None) -> None:
    assert refusal(said) == sentence


TRACE = """\
INFO mapred.MapTask: Processing split: Paths:/i/0-1.seq:0+9,/i/0-2.seq:0+9
WARN [main] org.apache.hadoop.mapred.YarnChild: Exception running child : java.io.EOFException
\tat java.io.DataInputStream.readFully(DataInputStream.java:210)
\tat org.apache.hadoop.io.SequenceFile$Reader.next(SequenceFile.java:2497)

"""


@pytest.mark.parametrize(
    ("syslog", "named"),
    [
        (TRACE, "0-1.seq or 0-2.seq is damaged"),
        (TRACE.replace("SequenceFile", "ipc.Client"), None),  # a connection that ended
        ("WARN DFSClient: reading\njava.io.EOFException\n\tat SequenceFile\n", None),
        (
            "WARN x: Exception running local (uberized) 'child' : java.io.IOException: x\n\tat a\n"
            "Caused by: org.apache.hadoop.hdfs.BlockMissingException: Could not obtain block: b_1 "
            "file=/imagenet/images/x/bundles/00000-00007.seq\n",
            "00000-00007.seq is damaged",
        ),
    ],
)
def test_a_bundle_that_a_task_died_of_is_named(
    tmp_path: Any, syslog: str, named: str | None
) -> None:
    (tmp_path / "container_1").mkdir()
    (tmp_path / "container_1" / "syslog").write_text(syslog)

    said = failures.damaged_bundles(tmp_path)

    assert (said is None) if named is None else (named in str(said))

"""What is wrong with a machine is said in a sentence, before anything is changed."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest


@pytest.fixture
def preflight(library: Callable[[str], ModuleType]) -> Any:
    return library("cluster_preflight")


def fake_java(home: Path, version: str) -> Path:
    (home / "bin").mkdir(parents=True)
    java = home / "bin" / "java"
    java.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n")
    java.chmod(0o755)
    return home


def test_java_of_java_home_is_used(
    preflight: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = fake_java(tmp_path / "jdk", "17.0.15")
    monkeypatch.setenv("JAVA_HOME", str(home))

    java, problems = preflight.find_java(17)

    assert (java["java_home"], problems) == (str(home), [])


def test_missing_java_is_one_sentence_with_advice(
    preflight: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))

    _, problems = preflight.find_java(17)

    assert len(problems) == 1
    assert problems[0].startswith("Java 17 is missing (no java on PATH): install it")


def test_other_java_is_named_with_its_version(
    preflight: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(fake_java(tmp_path / "jdk", "11.0.2")))

    _, problems = preflight.find_java(17)

    assert "is version 11" in problems[0]


def test_wrong_java_home_is_named(
    preflight: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))

    _, problems = preflight.find_java(17)

    assert f"JAVA_HOME={tmp_path} holds no bin/java" in problems[0]


def test_too_little_memory_is_said_with_the_numbers(preflight: Any) -> None:
    problems = preflight.check_memory(total_mb=2000, budget_mb=1600, min_mb=3072)

    assert problems == [
        "memory is too small: the cluster needs 3072 MiB, and 1600 MiB is the share it may use of "
        "this machine's 2000 MiB"
    ]


def test_too_little_free_memory_is_said(preflight: Any) -> None:
    (problem,) = preflight.check_memory(total_mb=10**8, budget_mb=10**8, min_mb=10**8)

    assert problem.startswith("memory is too full")


def test_running_cluster_is_not_refused_for_the_memory_that_it_has_taken(preflight: Any) -> None:
    assert preflight.check_memory(10**8, 10**8, 10**8, running=True) == []


def test_enough_memory_is_no_problem(preflight: Any) -> None:
    assert preflight.check_memory(total_mb=8000, budget_mb=4096, min_mb=1) == []


@pytest.mark.parametrize(
    ("free", "said"),
    [
        (50, ["needs 4096 MiB and 50 MiB are free", "is 100 % full, and above 95 %"]),
        (4500, ["is 96 % full, and above 95 % a NodeManager is unhealthy"]),
        (50_000, []),
    ],
)
def test_full_disk_is_said(
    preflight: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, said: list[str]
) -> None:
    usage = SimpleNamespace(total=100_000 << 20, free=free << 20)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)

    problems = preflight.check_disk(str(tmp_path / "new" / "cluster"), 4096, 95.0)

    assert len(problems) == len(said)
    assert all(part in problem for part, problem in zip(said, problems, strict=True))


def test_port_in_use_is_named_with_its_holder(preflight: Any) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]

        (problem,) = preflight.check_ports({"namenode_rpc": port}, ours=set())

        assert problem.startswith(f"port {port} (namenode_rpc) is in use by ")
        assert f"(pid {os.getpid()})" in problem
        assert preflight.check_ports({"namenode_rpc": port}, ours={os.getpid()}) == []


def test_own_name_that_does_not_resolve_is_said(preflight: Any) -> None:
    (problem,) = preflight.check_host_name("no-such-host.invalid")

    assert "no-such-host.invalid does not resolve" in problem
    assert preflight.check_host_name("localhost") == []


def test_control_group_limit_counts_as_the_memory(preflight: Any) -> None:
    assert 0 < preflight.total_memory_mb() <= os.sysconf("SC_PHYS_PAGES") * 4096 // 2**20 + 1

"""Processes are found by the cluster's identity, and all of them end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

IDLE = "import sys, time; print('up', flush=True); time.sleep(120)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);" + IDLE
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def processes(shared: Callable[[str], ModuleType]) -> Any:
    return shared("cluster_processes")


@pytest.fixture
def start() -> Iterator[Start]:
    """Start idle processes and end them afterwards, whatever became of them."""
    started = []

    def run(*arguments: str, cwd: Path | None = None, code: str = IDLE) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", code, *arguments], cwd=cwd, stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        return process

    yield run
    for process in started:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def test_exact_token_and_working_directory_are_found_and_nothing_else(
    processes: Any, start: Start, tmp_path: Path
) -> None:
    place, beside = tmp_path / "one", tmp_path / "one-more"
    (place / "data").mkdir(parents=True)
    beside.mkdir()
    daemon = start("-Dcluster.id=one-1", "-Dcluster.daemon=namenode")
    client = start("-Dcluster.id=one-1")
    orphan = start(cwd=place / "data")
    start("-Dcluster.id=one-11")
    start("x-Dcluster.id=one-1")
    start("grep -Dcluster.id=one-1 log")
    start(cwd=beside)

    found = processes.find("one-1", str(place))

    assert {process.pid for process in found} == {daemon.pid, client.pid, orphan.pid}
    assert {process.pid: process.daemon for process in found}[daemon.pid] == "namenode"


def test_caller_and_its_ancestors_are_spared(
    processes: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert processes.find("one-1", str(tmp_path)) == []


def test_empty_id_is_refused(processes: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="empty cluster id"):
        processes.find("", str(tmp_path))


def test_process_that_ignores_term_is_killed(processes: Any, start: Start, tmp_path: Path) -> None:
    polite = start("-Dcluster.id=one-1")
    stubborn = start("-Dcluster.id=one-1", code=STUBBORN)

    left = processes.stop(processes.find("one-1", str(tmp_path)), term_s=0.5)

    assert left == []
    assert polite.wait(5) == -signal.SIGTERM
    assert stubborn.wait(5) == -signal.SIGKILL


def test_reused_pid_is_not_signalled(processes: Any, start: Start, tmp_path: Path) -> None:
    bystander = start()
    gone = processes.Process(bystander.pid, 1, "namenode", ())

    assert processes.stop([gone], term_s=0.1) == []
    assert bystander.poll() is None


def test_all_are_signalled_before_any_is_waited_for(
    processes: Any, start: Start, tmp_path: Path
) -> None:
    slow = (
        "import signal, time; signal.signal(signal.SIGTERM, lambda *_: (time.sleep(0.5), exit()));"
    )
    for _ in range(4):
        start("-Dcluster.id=one-1", code=slow + IDLE)
    began = time.monotonic()

    assert processes.stop(processes.find("one-1", str(tmp_path))) == []
    assert time.monotonic() - began < 4 * 0.5


def test_holder_of_a_port_is_named(processes: Any) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]

        assert "(pid " in processes.port_holders()[port]
        assert processes.is_listening("127.0.0.1", port)
        assert processes.listens(os.getpid(), port)
        assert not processes.listens(os.getppid(), port)

    assert not processes.listens(os.getpid(), port)
    assert not processes.is_listening("127.0.0.1", port)

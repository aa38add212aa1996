"""A daemon that is not well is explained by its own last error."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

LOG = """\
2026-01-01 00:00:00,000 ERROR a.B: an old one
2026-01-01 00:00:01,000 INFO a.B: and on
2026-01-01 00:00:02,000 FATAL a.B: Error starting
org.apache.hadoop.service.ServiceStateException: outer
\tat a.B.main(B.java:1)
Caused by: java.net.BindException: Port in use: 127.0.0.1:21001
\tat a.B.bind(B.java:2)
2026-01-01 00:00:03,000 INFO a.B: SHUTDOWN_MSG
"""


@pytest.fixture
def health(library: Callable[[str], ModuleType]) -> Any:
    return library("cluster_health")


def test_last_error_comes_with_its_cause(health: Any, tmp_path: Path) -> None:
    log = tmp_path / "namenode.log"
    log.write_text(LOG)

    said = health.last_error(log)

    assert said.endswith(
        "FATAL a.B: Error starting: Caused by: java.net.BindException: Port in use: 127.0.0.1:21001"
    )


def test_log_without_error_or_without_log_says_nothing(health: Any, tmp_path: Path) -> None:
    (tmp_path / "quiet.log").write_text("2026-01-01 INFO a.B: all is well\n")

    assert health.last_error(tmp_path / "quiet.log") == ""
    assert health.last_error(tmp_path / "none.log") == ""


def test_daemon_that_does_not_run_is_a_state_and_not_an_error(health: Any, tmp_path: Path) -> None:
    args = {
        **{"id": "one-1", "directory": str(tmp_path), "daemons": ["namenode"]},
        "urls": {"namenode": "http://127.0.0.1:1"},
    }

    state = health.look(args)["namenode"]

    assert (state["pid"], state["ok"], state["says"]) == (None, False, "does not run")


def test_daemon_without_web_interface_is_well_when_it_listens(health: Any) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        url = f"thrift://127.0.0.1:{server.getsockname()[1]}"

        assert health.check_port(os.getpid(), url) == (True, "listens", {})
        ok, says, _ = health.check_port(os.getppid(), url)

    assert (ok, says) == (False, f"does not listen yet at {url}")


def test_beans_that_are_away_for_a_moment_are_asked_for_again(
    health: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [[], [{"regionCount": 2}]]
    monkeypatch.setattr(health, "get", lambda _: {"beans": answers.pop(0)})

    verdict = health.check_regionserver({"urls": {"regionserver": "http://127.0.0.1:1"}})

    assert verdict == (True, "serves 2 regions", {"regions": 2})


def test_beans_that_stay_away_are_named(health: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "get", lambda _: {"beans": []})
    monkeypatch.setattr(health, "BEANLESS_S", 0.1)

    with pytest.raises(ValueError, match="has no bean Hadoop:service=HBase"):
        health.check_regionserver({"urls": {"regionserver": "http://127.0.0.1:1"}})


MASTER = {
    **{"numRegionServers": 2, "numDeadRegionServers": 0},
    **{"tag.isActiveMaster": "true", "masterFinishedInitializationTime": 1700000000000},
}


@pytest.mark.parametrize(
    ("said", "ok", "says"),
    [
        ({}, True, "active, 2 live region servers"),
        ({"numRegionServers": 1}, False, "sees 1 of 2 region servers"),
        ({"tag.isActiveMaster": "false"}, False, "is not active yet"),
        ({"masterFinishedInitializationTime": 0}, False, "is not active yet"),
    ],
)
def test_master_of_hbase_is_well_when_it_is_active_and_sees_all_region_servers(
    health: Any, monkeypatch: pytest.MonkeyPatch, said: dict[str, Any], ok: bool, says: str
) -> None:
    monkeypatch.setattr(health, "get", lambda _: {"beans": [{**MASTER, **said}]})

    verdict = health.check_hmaster({"urls": {"hmaster": "http://127.0.0.1:1"}, "regionservers": 2})

    assert verdict[:2] == (ok, says)

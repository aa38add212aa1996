"""Daemons start by their own launcher and in their order; only what must end before does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


@pytest.fixture
def daemons(library: Callable[[str], ModuleType]) -> Any:
    return library("cluster_daemons")


@pytest.fixture
def running(shared: Callable[[str], ModuleType]) -> list[Any]:
    """Make the processes of a cluster with Hive and a client, none of which is a real one."""
    process = shared("cluster_processes").Process
    names = ("namenode", "nodemanager", "metastore", "hiveserver2", None)
    return [process(2**22 + at, 1, name, ()) for at, name in enumerate(names)]


def ended(daemons: Any, running: list[Any], wanted: list[str], restart: list[str]) -> list[Any]:
    """Return the daemons that end before those missing start; None is the client."""
    kept = {process.daemon for process in running if process.daemon} - set(restart)
    missing = [name for name in wanted if name not in kept]
    args = {"restart": restart, "directory": "/data/imagenet"}
    return [process.daemon for process in running if daemons.is_stale(process, kept, missing, args)]


HADOOP, HIVE = ["namenode", "nodemanager"], ["metastore", "hiveserver2"]


def test_missing_daemon_ends_nothing_that_runs(daemons: Any, running: list[Any]) -> None:
    assert ended(daemons, running, [*HADOOP, *HIVE, "datanode"], restart=[]) == []


def test_new_settings_of_hive_end_its_daemons_only(daemons: Any, running: list[Any]) -> None:
    assert ended(daemons, running, [*HADOOP, *HIVE], restart=HIVE) == HIVE


def test_new_settings_of_hadoop_end_everything_and_its_clients(
    daemons: Any, running: list[Any]
) -> None:
    everything = [*HADOOP, *HIVE]

    assert ended(daemons, running, everything, restart=everything) == [*everything, None]


def test_daemons_are_started_by_their_launchers_and_the_late_ones_last(
    daemons: Any, tmp_path: Path
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "logs").mkdir()
    for name in ("hadoop", "hive"):
        launcher = tmp_path / "bin" / name
        launcher.write_text(f"#!/bin/sh\necho {name} $1 >> started\n")
        launcher.chmod(0o755)

    daemons.launch(
        {
            **{"id": "one-1", "directory": str(tmp_path), "namenode_url": "http://127.0.0.1:1"},
            **{"after_namenode": ["hiveserver2"], "launchers": {"hiveserver2": "hive"}},
        },
        ["hiveserver2", "namenode"],
    )

    assert (tmp_path / "started").read_text() == "hadoop namenode\nhive hiveserver2\n"

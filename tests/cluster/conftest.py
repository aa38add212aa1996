"""A real cluster for the tests of this folder: one a session, gone afterwards, known by its id."""

from __future__ import annotations

import random
import socket
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Unpack

import pytest

from pipeline import cluster as clusters
from pipeline.cluster import Cluster, Options, UpResult
from tests.places import keep_deployments_in

FIRST_BASE, LAST_BASE, N_PORTS = 22000, 32000, 30


def free_port_base() -> int:
    """Find a base from which all ports of a cluster are free on the loopback address."""
    bases = list(range(FIRST_BASE, LAST_BASE, N_PORTS))
    random.SystemRandom().shuffle(bases)
    for base in bases:
        if all(_is_free(port) for port in range(base, base + N_PORTS)):
            return base
    raise RuntimeError(f"no {N_PORTS} free ports in a row between {FIRST_BASE} and {LAST_BASE}")


def say(line: str) -> None:
    print(f"    {line}", file=sys.stderr)  # noqa: T201


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@pytest.fixture(scope="session", autouse=True)
def _own_places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep receipts, locks and Ansible's logs of these tests out of the user's `var`."""
    var = tmp_path_factory.mktemp("var")
    with pytest.MonkeyPatch.context() as patch:
        keep_deployments_in(var, patch)
        yield


@contextmanager
def deployed(place: Path, **options: Unpack[Options]) -> Iterator[UpResult]:
    """Have a cluster for a while, named after its directory; it is destroyed in any case.

    Without an inventory its ports are free ones of this machine.
    """
    identity = clusters.new_id(place.name)
    options["directory"] = place
    if "inventory" not in options:
        options["port_base"] = free_port_base()
    try:
        yield clusters.up(place.name, cluster_id=identity, progress=say, **options)
    finally:
        clusters.down(
            place.name, directory=place, expected_id=identity, discard_unsaved=True, progress=say
        )


@pytest.fixture(scope="session")
def cluster(_own_places: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Deploy a Hadoop cluster of its own name, ports and directory; destroy it in any case."""
    place = tmp_path_factory.mktemp("cluster") / f"test-{uuid.uuid4().hex[:8]}"
    with deployed(place) as up:
        yield up.cluster


@pytest.fixture(scope="session")
def hadoop_lib_dir() -> Path:
    """Return the directory of Hadoop's jars, resolved if need be; no cluster is deployed."""
    return clusters.jars(say)

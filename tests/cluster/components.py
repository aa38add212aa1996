"""Components of a cluster: added to one that runs, and what their daemons hold of the machine."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Unpack

from pipeline import cluster as clusters
from pipeline.cluster import Cluster, Options
from tests.cluster.conftest import deployed, say


@contextmanager
def added(
    place: Path, component: str, fact: str, daemons: Collection[str], **options: Unpack[Options]
) -> Iterator[Cluster]:
    """Deploy a cluster and add a component to it; all is destroyed in any case.

    `fact` is of the cluster's mark, and of a cluster with the component only; `daemons` are what
    runs after that besides what ran before, and still does.
    """
    with deployed(place, **options) as bare:
        assert getattr(bare.cluster, fact) is None
        before = pids(bare.cluster)
        up = clusters.up(place.name, directory=place, components=[component], progress=say)
        after = pids(up.cluster)
        assert {name: after[name] for name in before} == before
        assert set(after) - set(before) == set(daemons)
        yield up.cluster


def pids(cluster: Cluster) -> dict[str, int]:
    """Return the pid of every daemon that is well."""
    daemons = clusters.status(cluster.name, directory=cluster.dir)["daemons"]
    return {name: daemon["pid"] for name, daemon in daemons.items() if daemon["ok"]}


def listening(pid: int) -> set[tuple[str, str]]:
    """Addresses and ports on which a process listens, in the hexadecimal of /proc/net/tcp."""
    links = []
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            links.append(str(path.readlink()))
    inodes = {link[8:-1] for link in links if link.startswith("socket:[")}
    tables = [Path(f"/proc/net/{name}").read_text() for name in ("tcp", "tcp6")]
    rows = [row.split() for text in tables for row in text.splitlines()[1:]]
    found = (row[1].split(":") for row in rows if row[3] == "0A" and row[9] in inodes)
    return {(address, port) for address, port in found}


def resident_mib(processes: Iterable[int]) -> float:
    """Return what processes hold of the memory; pages that several share count once."""
    rollups = (Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in processes)
    return sum(int(rollup.partition("Pss:")[2].split()[0]) for rollup in rollups) / 1024

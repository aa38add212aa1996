"""Flume on a deployed cluster: what is dropped is stored once, whatever is killed on the way."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from mr_jobs.lib.records import CatalogRow
from pipeline import cluster as clusters
from pipeline.cluster import Cluster
from pipeline.flume import Flow, Landing
from pipeline.images import images_at
from pipeline.runs import RUNS
from pipeline.stores import LocalStore
from tests.cluster import pipelines as p
from tests.cluster.components import added, pids
from tests.cluster.conftest import say

pytestmark = [pytest.mark.cluster, pytest.mark.landscape, pytest.mark.flume]

DAEMONS = {"flume", "dropgate"}
N_STREAMED = 200  # at a time
ODD = "a b%{host}$(x);'é猫.JPEG"


def jpeg(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (24, 24, 3), np.uint8)
    return bytes(cv2.imencode(".jpg", pixels)[1])


@pytest.fixture(scope="module")
def flume(_own_places: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Deploy a cluster, add Flume to it, and destroy both in any case."""
    place = tmp_path_factory.mktemp("flume") / "test-flume"
    with added(place, "flume", "flume_url", DAEMONS) as cluster:
        yield cluster


@pytest.fixture
def land(flume: Cluster) -> Iterator[Callable[[], dict[str, Any]]]:
    """Run `land` to the end of all that was dropped."""
    runs = set(RUNS.glob("*"))
    yield lambda: p.run("land", "--wait", 120, *p.on(flume))
    for made in set(RUNS.glob("*")) - runs:
        LocalStore(RUNS).delete(made.name)


def drop(cluster: Cluster, name: str | bytes, content: bytes) -> Path:
    assert cluster.drop_dir is not None
    path = cluster.drop_dir / os.fsdecode(name)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return path


def stored(cluster: Cluster) -> dict[str, bytes]:
    """Return the images of the store `landing`; none is there twice, and each is catalogued."""
    store = images_at("landing", cluster).store
    records = p.records(store, "bundles")
    keys = [CatalogRow.from_line(line.decode()).key for line in p.lines(store, "catalog")]
    found = {key.decode(): value for key, value in records}  # type: ignore[attr-defined]
    assert len(records) == len(found)
    assert sorted(keys) == sorted(found)
    return found  # type: ignore[return-value]


def wait_for(cluster: Cluster, wanted: Callable[[Flow], bool]) -> Flow:
    landing, deadline = Landing(cluster), time.monotonic() + 60
    while not wanted(flow := landing.flow()):
        assert time.monotonic() < deadline, flow
    return flow


def test_flume_listens_on_loopback_only(flume: Cluster) -> None:
    pid = pids(flume)["flume"]
    links = [str(path.readlink()) for path in Path(f"/proc/{pid}/fd").iterdir()]
    inodes = {link[8:-1] for link in links if link.startswith("socket:[")}
    rows = [
        row.split()
        for name in ("tcp", "tcp6")
        for row in Path(f"/proc/net/{name}").read_text().splitlines()[1:]
    ]

    assert {row[1] for row in rows if row[3] == "0A" and row[9] in inodes} == {
        f"0100007F:{flume.port_base + 27:04X}"
    }


def test_dropped_images_are_stored_and_what_is_not_fit_stays(
    flume: Cluster, land: Callable[[], dict[str, Any]]
) -> None:
    drop(flume, "n01440764/a.JPEG", jpeg(1))
    drop(flume, f"n01440764/{ODD}", jpeg(2))
    drop(flume, "n02102040_5.JPEG", jpeg(3))
    stays = [
        drop(flume, "n01440764/a\nb.JPEG", jpeg(4)),
        drop(flume, b"n01440764/bad\xff.JPEG", jpeg(4)),
        drop(flume, "n01440764/half.JPEG.part", jpeg(4)[:99]),
    ]
    link = stays[0].with_name("link.JPEG")
    link.symlink_to("/etc/hostname")

    result = land()

    assert (result["added"], result["kept"], result["layout"]) == (3, 3, "Flume landing")
    assert result["refused"] == {"name": 2, "link": 1}
    assert stored(flume) == {
        "train/n01440764/a.JPEG": jpeg(1),
        f"train/n01440764/{ODD}": jpeg(2),
        "train/n02102040/n02102040_5.JPEG": jpeg(3),
    }
    assert all(path.exists() for path in stays)
    assert link.is_symlink()


def test_images_that_come_later_are_added_and_one_that_comes_again_is_not(
    flume: Cluster, land: Callable[[], dict[str, Any]]
) -> None:
    half = drop(flume, "n01440764/half.JPEG.part", jpeg(4))
    half.rename(half.with_suffix(""))
    drop(flume, "n01440764/a.JPEG", jpeg(1))

    result = land()

    assert (result["added"], result["images"]) == (1, 4)
    assert stored(flume)["train/n01440764/half.JPEG"] == jpeg(4)


def test_killed_agent_and_gate_lose_nothing_and_store_nothing_twice(
    flume: Cluster, land: Callable[[], dict[str, Any]]
) -> None:
    before = stored(flume)
    wanted: dict[str, int] = {}
    running = pids(flume)

    def in_the_middle(flow: Flow) -> bool:
        if flow.dropped or flow.spooled:
            return bool(flow.open_files)
        for number in range(len(wanted), len(wanted) + N_STREAMED):
            wanted[f"train/n{number % 5:08}/s{number}.JPEG"] = number
            drop(flume, f"n{number % 5:08}/s{number}.JPEG", jpeg(1000 + number))
        return False

    wait_for(flume, in_the_middle)
    for name in DAEMONS:
        os.kill(running[name], signal.SIGKILL)
    left = Landing(flume).flow()

    clusters.up(flume.name, directory=flume.dir, progress=say)
    result = land()

    assert left.dropped or left.spooled  # killed in the middle
    assert len(result["recovered"]) == 1
    assert result["added"] == len(wanted)
    assert stored(flume) == before | {key: jpeg(1000 + n) for key, n in wanted.items()}


def test_second_up_without_a_word_of_flume_changes_nothing(flume: Cluster) -> None:
    again = clusters.up(flume.name, directory=flume.dir, progress=say)

    assert (again.changed, again.cluster) == (0, flume)


def test_down_leaves_nothing_of_flume(flume: Cluster) -> None:
    receipt = clusters.down(
        flume.name, directory=flume.dir, expected_id=flume.id, discard_unsaved=True, progress=say
    )

    assert receipt is not None
    assert f"{flume.port_base + 27}" in receipt.read_text().partition("ports_closed")[2]
    assert not flume.dir.exists()
    assert p.processes(lambda argv, _: f"-Dcluster.id={flume.id}" in argv) == []

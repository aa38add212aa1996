"""Ingest into a real HDFS: nothing twice, nothing lost, also when it is killed on the way."""

from __future__ import annotations

import io
import json
import tarfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, build_opener

import pytest

from mr_jobs.lib.records import CatalogRow
from pipeline.cluster import Cluster
from pipeline.runs import load_run
from pipeline.stores import Store
from tests.cluster import pipelines as p

pytestmark = pytest.mark.cluster

N_CLASSES, N_IMAGES, IMAGE_BYTES = 12, 20, 30_000


def _class_tar(number: int) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for index in range(N_IMAGES):
            info = tarfile.TarInfo(f"n{number:02}_{index}.JPEG")
            info.size = IMAGE_BYTES
            tar.addfile(info, io.BytesIO(bytes([number, index]) * (IMAGE_BYTES // 2)))
    return out.getvalue()


def _write(path: Path, numbers: range) -> None:
    with tarfile.open(path, "w") as tar:
        for number in numbers:
            inner = _class_tar(number)
            info = tarfile.TarInfo(f"n{number:02}.tar")
            info.size = len(inner)
            tar.addfile(info, io.BytesIO(inner))


class Ingested:
    """A data set on its way into an image store of its own."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.cluster = cluster
        self.run_id = self.images = f"test-{uuid.uuid4().hex[:8]}"
        self.data = folder / "data"
        self.data.mkdir()
        _write(self.data / "ILSVRC2012_img_train.tar", range(N_CLASSES))
        config = folder / "one.toml"
        config.write_text("[data]\nbundle_mb = 1\n")
        named = ("--run-id", self.run_id, "--images", self.images, "--config", config)
        self.args: tuple[object, ...] = ("ingest", self.data, *named, *p.on(cluster))

    @property
    def store(self) -> Store:
        return p.images_of(self.run_id, self.cluster)

    def rows(self) -> list[CatalogRow]:
        return [CatalogRow.from_line(line.decode()) for line in p.lines(self.store, "catalog")]

    def bundles(self) -> dict[str, bytes]:
        found = {}
        for name in self.store.files("bundles"):
            with self.store.open(name) as file:
                found[name] = file.read()
        return found

    def sent_parts(self) -> set[str]:
        if not self.store.exists("ledger.json"):
            return set()
        with self.store.open("ledger.json") as file:
            return set(json.load(file)["batches"][-1]["parts"])


@pytest.fixture
def ingested(cluster: Cluster, tmp_path: Path) -> Iterator[Ingested]:
    data = Ingested(cluster, tmp_path)
    with p.forgotten(data.run_id):
        yield data
        data.store.delete("")


def test_a_killed_ingest_goes_on_where_it_stopped(ingested: Ingested) -> None:
    process = p.start(*ingested.args, "--only")
    p.wait_until_there(lambda: [1] * (load_run(ingested.run_id) is not None))
    p.wait_until_there(lambda: [1] * bool(ingested.store.files("raw/00000")))
    p.kill([process.pid])
    process.communicate()
    sent = ingested.sent_parts()
    times = {name: _modified(ingested.store, name) for name in sent}

    p.run(*ingested.args, "--only")
    unchanged = {name: _modified(ingested.store, name) for name in sent}
    p.run(*ingested.args)

    assert unchanged == times
    assert len({row.key for row in ingested.rows()}) == N_CLASSES * N_IMAGES
    assert len(ingested.rows()) == N_CLASSES * N_IMAGES
    assert not ingested.store.exists("raw/00000")
    assert not ingested.store.exists("plan/00000")


def _modified(store: Store, name: str) -> object:
    return (store.status(name) or {}).get("modificationTime")  # type: ignore[attr-defined]


def test_new_classes_are_appended_and_old_bundles_stay(ingested: Ingested) -> None:
    first = p.run(*ingested.args)
    before = ingested.bundles()

    again = p.run(*ingested.args)
    _write(ingested.data / "ILSVRC2012_img_train.tar", range(N_CLASSES + 2))
    more = p.run(*ingested.args)
    after = ingested.bundles()

    assert (first["added"], again["added"], more["added"]) == (240, 0, 40)
    assert {name: after[name] for name in before} == before
    assert all(len(content) <= 1 << 20 for content in after.values())
    assert len({row.key for row in ingested.rows()}) == len(ingested.rows()) == 280


def test_images_cost_the_namenode_two_objects_a_bundle(ingested: Ingested) -> None:
    before = _objects(ingested.cluster)

    result = p.run(*ingested.args)

    cost = _objects(ingested.cluster) - before
    assert result["images"] == 240
    assert cost <= 5 * result["bundles"] + 40


def _objects(cluster: Cluster) -> int:
    url = f"{cluster.webhdfs_url}/jmx?qry=Hadoop:service=NameNode,name=FSNamesystem"
    with build_opener(ProxyHandler({})).open(url, timeout=30) as answer:
        bean: dict[str, Any] = json.load(answer)["beans"][0]
    return int(bean["FilesTotal"]) + int(bean["BlocksTotal"])

"""Daemons that die in the middle of a run: it goes on, or says what to start; nothing is lost."""

from __future__ import annotations

import io
import tarfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.cluster import Cluster
from pipeline.runs import load_run
from pipeline.stores import LocalStore
from tests.cluster import pipelines as p
from tests.cluster.conftest import say
from tests.cluster.faults import hadoop as h

pytestmark = [pytest.mark.cluster, pytest.mark.faults]


@pytest.mark.parametrize("name", ["resourcemanager", "namenode"])
def test_a_daemon_killed_in_a_run_is_started_again_and_the_run_ends_the_same(
    well: Cluster, hadoop_run: dict[str, Any], name: str
) -> None:
    store = p.store_of(hadoop_run["run_id"], well)
    features = p.records(store, "features")
    predictions = (Path(hadoop_run["run_dir"]) / "predictions.tsv").read_bytes()
    for made in ("features", "shards"):
        store.delete(made)
    LocalStore(p.ROOT / "var" / "runs" / hadoop_run["run_id"]).delete("save")  # else all is done

    process = p.start("full", "--run-id", hadoop_run["run_id"], *p.on(well))
    p.wait_until_there(lambda: p.tasks(well.dir, "mr_extract_features.py"))
    h.stop(well, name)
    _, err = p.end(process)

    say(h.line_with(err, "what is missing is started now"))
    assert p.records(store, "features") == features
    assert (Path(hadoop_run["run_dir"]) / "predictions.tsv").read_bytes() == predictions


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A data set of one tar of 60 MB, whose sending can be caught in the middle."""
    root = tmp_path / "large"
    root.mkdir()
    with tarfile.open(root / "ILSVRC2012_img_train.tar", "w") as outer:
        for number in range(20):
            inner = io.BytesIO()
            with tarfile.open(fileobj=inner, mode="w") as tar:
                for index in range(100):
                    info = tarfile.TarInfo(f"n{number:02}_{index}.JPEG")
                    info.size = 30_000
                    tar.addfile(info, io.BytesIO(bytes([number, index]) * 15_000))
            info = tarfile.TarInfo(f"n{number:02}.tar")
            info.size = inner.tell()
            inner.seek(0)
            outer.addfile(info, inner)
    return root


@pytest.fixture
def images(well: Cluster) -> Iterator[str]:
    name = f"test-{uuid.uuid4().hex[:8]}"
    with p.forgotten(name):
        yield name


def test_a_datanode_killed_while_ingest_writes_is_a_sentence_and_the_ingest_goes_on(
    well: Cluster, large: Path, images: str
) -> None:
    args = ("ingest", large, "--images", images, "--run-id", images, *p.on(well))
    process = p.start(*args)
    h.wait_for(lambda: load_run(images))
    store = p.images_of(images, well)
    h.wait_for(lambda: store.exists("raw/00000"))
    h.stop(well, "datanode")
    _, err = p.end(process, 3)
    h.start(well, "datanode")
    h.wait_for(lambda: h.is_well(well))

    again = p.run(*args)

    say(err.splitlines()[-1])
    assert "Traceback" not in err
    assert "HDFS" in err.splitlines()[-1]
    assert (again["images"], len(p.records(store, "bundles"))) == (2000, 2000)
    store.delete("")


def test_a_datanode_without_room_is_a_sentence_and_the_ingest_goes_on(
    well: Cluster, data: Path, images: str, tmp_path: Path, hadoop_run: dict[str, Any]
) -> None:
    args = ("ingest", data, "--images", images, "--run-id", images, *p.on(well))
    with h.other_settings(well, "datanode", {"dfs.datanode.du.reserved": 1 << 60}, tmp_path):
        h.wait_for(lambda: h.free_bytes(well) == 0)
        _, err = p.end(p.start(*args), 3)
    h.wait_for(lambda: h.free_bytes(well) > 0)

    p.run(*args)

    store = p.images_of(images, well)
    say(err.splitlines()[-1])
    assert "Traceback" not in err
    assert "HDFS is full" in err.splitlines()[-1]
    of_run = p.images_of(hadoop_run["run_id"], well)
    assert p.records(store, "bundles") == p.records(of_run, "bundles")
    store.delete("")

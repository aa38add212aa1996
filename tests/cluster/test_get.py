"""Images come out of HDFS as they went in, by id and by condition; jobs work on a selection."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from mr_jobs.lib.errors import DataError
from pipeline.cluster import Cluster
from pipeline.images import images_at
from pipeline.reading import HdfsRanges
from pipeline.stores import HdfsStore
from tests.cluster.pipelines import forgotten, on, run

pytestmark = pytest.mark.cluster
RUN_ID = f"get-{uuid.uuid4().hex[:8]}"


class Stored(NamedTuple):
    options: tuple[object, ...]
    originals: dict[str, bytes]
    cluster: Cluster


@pytest.fixture(scope="module")
def stored(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory, jpeg: Any) -> Iterator[Any]:
    """Bring 3 classes of 20 images of different sizes into HDFS."""
    data = tmp_path_factory.mktemp("data")
    originals = {}
    for number in range(60):
        wnid = f"n{number % 3:08}"
        content = jpeg(100 + 10 * number, 80, seed=number)
        path = data / wnid / f"{wnid}_{number}.JPEG"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        originals[f"train/{wnid}/{path.name}"] = content
    with forgotten(RUN_ID):
        images = run("ingest", data, "--run-id", RUN_ID, "--config", "fast", *on(cluster))[
            "image_store"
        ]
        yield Stored(("--images", images, *on(cluster)), originals, cluster)
        store = HdfsStore(cluster.webhdfs_url, cluster.fs_uri, "/imagenet")
        store.delete(f"images/{images}")
        shutil.rmtree(images_at(images, cluster).cache.parent)
        store.delete(f"runs/{RUN_ID}")


def delivered(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*.JPEG"))
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_ids_come_out_of_hdfs_byte_for_byte(stored: Stored, tmp_path: Path) -> None:
    keys = sorted(stored.originals)[::4]

    result = run("get", *keys, *stored.options, "--to", tmp_path / "out")

    assert delivered(tmp_path / "out") == {key: stored.originals[key] for key in keys}
    assert result["bytes_read"] < 1.02 * result["bytes"]


def test_a_bundle_that_is_not_in_hdfs_is_named(stored: Stored) -> None:
    images = images_at(str(stored.options[1]), stored.cluster)
    read = HdfsRanges(images.store, stored.cluster.webhdfs_url)

    with pytest.raises(DataError, match=r"bundles/none\.seq: .*not found"):
        read("bundles/none.seq", 0, 10)


def test_a_condition_selects_in_hdfs(stored: Stored, tmp_path: Path) -> None:
    where = "wnid = 'n00000002' AND width > 400"

    run("get", "--where", where, *stored.options, "--to", tmp_path / "out")

    in_order = enumerate(stored.originals.items())
    wanted = {key: v for n, (key, v) in in_order if n % 3 == 2 and 100 + 10 * n > 400}
    assert len(wanted) == 10
    assert delivered(tmp_path / "out") == wanted


def test_a_job_on_hadoop_gets_the_selected_images_only(stored: Stored) -> None:
    where = ("--where", "width <= 400")

    result = run("features", "--run-id", RUN_ID, *where, *on(stored.cluster))

    n_narrow = sum(100 + 10 * number <= 400 for number in range(60))
    counts = result["counts"]
    assert (counts["featurized"], counts["unselected"]) == (n_narrow, 60 - n_narrow)

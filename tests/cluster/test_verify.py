"""`bin/pipeline verify` on HDFS: rotten blocks, changed bundles, and sound ones beside them."""

from __future__ import annotations

import hashlib
import io
import json
import random
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mr_jobs.lib.records import CatalogRow
from mr_jobs.lib.sequencefile import Reader, Writer
from pipeline.cluster import Cluster
from pipeline.images import Images, images_at
from pipeline.stores import HdfsStore
from tests.cluster.pipelines import end, on, start

pytestmark = pytest.mark.cluster
N_BUNDLES, N_IMAGES = 3, 20


def bundle_and_rows(name: str, rng: random.Random) -> tuple[bytes, list[CatalogRow]]:
    """Make a bundle and its rows; verifying does not care whether the bytes are an image."""
    file, rows = io.BytesIO(), []
    with Writer(file) as writer:
        for number in range(N_IMAGES):
            key, encoded = f"train/n01/{name}_{number}.JPEG", rng.randbytes(9000)
            offset = writer.append(key.encode(), encoded)
            length = 16 + len(key) + len(encoded)
            sha256 = hashlib.sha256(encoded).hexdigest()
            place = (name, offset, length, len(encoded), sha256)
            told: Any = (1, 1, 3, "jpeg", 1, None, None, "kept", None)
            rows.append(CatalogRow(f"{name}_{number}", "n01", "train", key, *place, *told))
    return file.getvalue(), rows


@pytest.fixture
def stored(cluster: Cluster) -> Iterator[Images]:
    """Put three bundles and their catalogue into HDFS."""
    images = images_at(f"verify-{uuid.uuid4().hex[:8]}", cluster)
    rng = random.Random(0)
    for number in range(N_BUNDLES):
        name = f"00000-{number:05}.seq"
        content, rows = bundle_and_rows(name, rng)
        images.store.write(f"bundles/{name}", [content])
        lines = [f"{row.to_line()}\n".encode() for row in rows]
        images.store.write(f"catalog/00000-{number:05}.tsv", lines)
    yield images
    HdfsStore(cluster.webhdfs_url, cluster.fs_uri, "/imagenet/images").delete(images.name)


def verify(images: Images, code: int) -> tuple[dict[str, Any], str]:
    assert images.cluster
    options = ("--images", images.name, *on(images.cluster), "--json")
    out, err = end(start("verify", *options), code)
    result: dict[str, Any] = json.loads(out)
    return result, err


def content_of(images: Images, name: str) -> bytes:
    with images.store.open(name) as file:
        return file.read()


def test_sound_bundles_are_verified_by_a_job_on_the_cluster(stored: Images) -> None:
    result, err = verify(stored, 0)

    assert (result["bundles"], result["verified"], result["differing"]) == (3, 60, [])
    assert "YARN application" in err


def test_changed_and_cut_bundles_are_named_and_the_others_verified(stored: Images) -> None:
    changed, cut, _ = stored.store.files("bundles")
    content = bytearray(content_of(stored, changed))
    record = list(Reader(io.BytesIO(content)).records())[7]
    content[record.offset + record.length - 5] ^= 1
    stored.store.write(changed, [bytes(content)])
    stored.store.write(cut, [content_of(stored, cut)[:-300]])

    result, err = verify(stored, 5)

    first, second = result["differing"]
    assert isinstance(record.key, bytes)
    assert first["changed"] == [{"key": record.key.decode(), "offset": record.offset}]
    assert second["n_missing"] == 1
    assert second["damaged_at"] == second["missing"][0]["offset"]
    assert result["verified"] == 59
    assert "2 of 3 bundles" in err.splitlines()[-1]


def test_a_rotten_block_of_a_datanode_is_found(stored: Images, cluster: Cluster) -> None:
    name = stored.store.files("bundles")[1]
    content = content_of(stored, name)
    blocks = [
        path
        for path in Path(cluster.dir, "data", "datanode").rglob("blk_*")
        if path.suffix != ".meta" and path.read_bytes() == content
    ]
    assert len(blocks) == 1
    rotten = bytearray(content)
    rotten[len(rotten) // 2] ^= 1
    blocks[0].write_bytes(rotten)

    result, err = verify(stored, 5)

    (differing,) = result["differing"]
    assert differing["bundle"] == name.rpartition("/")[2]
    assert differing["problem"]
    assert differing["n_missing"] >= 1
    assert 40 <= result["verified"] < 60
    assert "Traceback" not in err

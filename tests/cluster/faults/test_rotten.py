"""Rotten, lost and cut bundles in HDFS: the run names the bundle; no result is made of the rest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.cluster import Cluster
from pipeline.stores import Store
from tests.cluster import pipelines as p
from tests.cluster.conftest import say

pytestmark = [pytest.mark.cluster, pytest.mark.faults]


class Bundle:
    """A bundle of a run, and the file of a DataNode that holds its only block."""

    def __init__(self, cluster: Cluster, store: Store) -> None:
        self.name = store.files("bundles")[0]
        with store.open(self.name) as file:
            self.content = file.read()
        blocks = [
            path
            for path in Path(cluster.dir, "data", "datanode").rglob("blk_*")
            if path.suffix != ".meta" and path.read_bytes() == self.content
        ]
        (self.block,) = blocks


@pytest.fixture
def bundle(well: Cluster, hadoop_run: dict[str, Any]) -> Iterator[Bundle]:
    """The first bundle of the run; it is written anew at the end."""
    store = p.images_of(hadoop_run["run_id"], well)
    found = Bundle(well, store)
    of_run = p.store_of(hadoop_run["run_id"], well)
    before = p.records(of_run, "features")
    of_run.delete("features")
    yield found
    store.write(found.name, [found.content])
    p.run("features", "--run-id", hadoop_run["run_id"], *p.on(well))
    assert p.records(of_run, "features") == before


def features_refused(cluster: Cluster, run: dict[str, Any], bundle: Bundle) -> str:
    """Compute features, which must end with exit code 5 and name the bundle; return the line."""
    _, err = p.end(p.start("features", "--run-id", run["run_id"], *p.on(cluster)), 5)

    assert not p.store_of(run["run_id"], cluster).exists("features/_manifest.json")
    assert bundle.name.rpartition("/")[2] in err.splitlines()[-1]
    assert "Traceback" not in err
    say(err.splitlines()[-1])
    return err.splitlines()[-1]


def test_a_flipped_bit_in_a_block_is_named(
    well: Cluster, hadoop_run: dict[str, Any], bundle: Bundle
) -> None:
    rotten = bytearray(bundle.content)
    rotten[len(rotten) // 2] ^= 1
    bundle.block.write_bytes(rotten)

    assert "bin/pipeline verify" in features_refused(well, hadoop_run, bundle)


def test_a_deleted_block_is_named(
    well: Cluster, hadoop_run: dict[str, Any], bundle: Bundle
) -> None:
    for path in bundle.block.parent.glob(f"{bundle.block.name}*"):
        path.unlink()

    assert "bin/pipeline verify" in features_refused(well, hadoop_run, bundle)


def test_a_cut_bundle_is_named(well: Cluster, hadoop_run: dict[str, Any], bundle: Bundle) -> None:
    p.images_of(hadoop_run["run_id"], well).write(bundle.name, [bundle.content[:-300]])

    features_refused(well, hadoop_run, bundle)

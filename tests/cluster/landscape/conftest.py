"""What tests of several systems share: the session's cluster with HBase added to it."""

from __future__ import annotations

import pytest

from pipeline import cluster as clusters
from pipeline.cluster import Cluster
from tests.cluster.conftest import say


@pytest.fixture(scope="session")
def hbase_cluster(cluster: Cluster) -> Cluster:
    """Add HBase to the session's cluster; it goes with it."""
    return clusters.up(
        cluster.name, directory=cluster.dir, components=["hbase"], progress=say
    ).cluster

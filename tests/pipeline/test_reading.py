from __future__ import annotations

import pytest

from mr_jobs.lib.errors import ClusterError
from pipeline.reading import HdfsRanges
from pipeline.stores import HdfsStore


def test_a_dead_namenode_is_a_cluster_error_in_one_sentence() -> None:
    nowhere = "http://127.0.0.1:9"
    read = HdfsRanges(HdfsStore(nowhere, "hdfs://127.0.0.1:8", "/x"), nowhere)

    with pytest.raises(ClusterError, match=r"HDFS did not answer .*bin/pipeline status"):
        read("bundles/1-00000.seq", 0, 10)

"""Files in HDFS behave like local ones, as far as the pipeline uses them."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from mr_jobs.lib.errors import ClusterError
from pipeline.cluster import Cluster
from pipeline.stores import HdfsStore, LocalStore, Store

pytestmark = pytest.mark.cluster
CONTENT = random.Random(3).randbytes(5_000_000)  # more than one answer's buffer


@pytest.fixture(params=["local", "hdfs"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "local":
        return LocalStore(tmp_path)
    cluster: Cluster = request.getfixturevalue("cluster")
    store = HdfsStore(cluster.webhdfs_url, cluster.fs_uri, "/test-stores")
    store.delete("")
    return store


def test_what_is_written_is_read_back_from_any_place(store: Store) -> None:
    store.write("folder/file", [CONTENT[:7], b"", CONTENT[7:]])

    with store.open("folder/file") as file:
        for start, length in ((0, 10), (4_999_990, 100), (100, 3_000_000), (50, 60), (200, 1)):
            file.seek(start)
            assert file.read(length) == CONTENT[start : start + length]
        assert file.seek(0, io.SEEK_END) == len(CONTENT)


def test_only_data_files_are_listed_in_order(store: Store) -> None:
    for name in ("part-00001", "part-00000", "_SUCCESS", ".hidden", "_manifest.json"):
        store.write(f"out/{name}", [b"x"])

    assert store.files("out") == ["out/part-00000", "out/part-00001"]
    assert store.files("none") == []


def test_writing_again_replaces_and_deleting_twice_is_no_error(store: Store) -> None:
    store.write("a/b", [b"old"])
    store.write("a/b", [b"new"])
    with store.open("a/b") as file:
        assert file.read() == b"new"

    for _ in range(2):
        store.delete("a")
    assert not store.exists("a/b")


def test_an_empty_file_is_a_file(store: Store) -> None:
    store.write("empty", [])

    with store.open("empty") as file:
        assert file.read() == b""


def test_a_dead_namenode_is_a_cluster_error_in_one_sentence() -> None:
    store = HdfsStore("http://127.0.0.1:9", "hdfs://127.0.0.1:8", "/x")
    calls: list[Callable[[], object]] = [
        lambda: store.exists("a"),
        lambda: store.write("a", [b"x"]),
        lambda: store.delete("a"),
    ]

    for call in calls:
        with pytest.raises(ClusterError, match="bin/pipeline status"):
            call()

"""A directory of small files in HDFS is listed, recognised and examined through WebHDFS."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from pipeline.__main__ import main
from pipeline.cluster import Cluster
from pipeline.hdfspath import HdfsPath
from pipeline.layouts import find_raw_data, folder_files
from pipeline.stores import HdfsStore
from tests.pipeline.tar_factory import regular, tar

pytestmark = pytest.mark.cluster
N_FILES = 1003  # more than one answer of dfs.ls.limit


@pytest.fixture(scope="module")
def small_files(cluster: Cluster) -> Iterator[HdfsStore]:
    store = HdfsStore(cluster.webhdfs_url, cluster.fs_uri, "/test-layouts")
    for number in range(N_FILES):
        store.write(f"cat/{number:04}.JPEG", [b"x" * number])
    store.write("great white shark/a&b=c+%d.JPEG", [b"y"])
    store.write("great white shark/more/a&b=c+%d.JPEG", [b"zz"])
    store.write(".hidden/x.JPEG", [b"h"])
    yield store
    store.delete("")


def test_a_directory_larger_than_one_answer_is_listed_whole_and_sorted(
    small_files: HdfsStore,
) -> None:
    found = list(small_files.scan("cat"))

    assert [entry.name for entry in found] == [f"{i:04}.JPEG" for i in range(N_FILES)]
    assert [entry.size for entry in found] == list(range(N_FILES))
    assert {entry.kind for entry in found} == {"FILE"}


def test_class_folders_in_hdfs_are_a_data_set(small_files: HdfsStore) -> None:
    data = find_raw_data(HdfsPath(small_files, "/test-layouts"))

    assert data.layout == "small files in HDFS"
    assert [(s.wnid, s.kind) for s in data.sources] == [
        ("cat", "folder"),
        ("great white shark", "folder"),
    ]
    assert [(name, size) for name, _, size in folder_files(data.sources[1])] == [
        ("a&b=c+%d.JPEG", 1),
        ("more__a&b=c+%d.JPEG", 2),
    ]


def test_a_tar_in_hdfs_is_recognised_by_itself(small_files: HdfsStore) -> None:
    small_files.write("tars/n01.tar", [tar(regular("n01_1.JPEG"))])

    data = find_raw_data(HdfsPath(small_files, "/test-layouts/tars/n01.tar"))

    assert [(s.split, s.wnid, s.kind) for s in data.sources] == [("train", "n01", "tar")]
    small_files.delete("tars")


def test_the_doctor_counts_them(small_files: HdfsStore, cluster: Cluster, capfd: Any) -> None:
    capfd.readouterr()
    options = ["--name", cluster.name, "--cluster-dir", str(cluster.dir), "--json"]
    code = main(["doctor", "hdfs:///test-layouts", *options])

    result = json.loads(capfd.readouterr().out)
    assert code == 0
    assert result["files"] == N_FILES + 2
    assert result["folders"] == 4
    assert result["layout"] == "small files in HDFS: 2 sources of train"
    assert result["worth_it"]

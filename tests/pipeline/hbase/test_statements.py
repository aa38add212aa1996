"""What is asked of HBase's shell, and what its answers become."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mr_jobs.hbase import Table
from mr_jobs.lib.errors import ClusterError, ConfigError
from mr_jobs.lib.hbase_rows import Address
from pipeline.bench_pictures import numbered, photographs, write_data
from pipeline.cluster_mark import Cluster
from pipeline.config import Config
from pipeline.hbase_store import create_statement, shell
from pipeline.images import name_of
from tests.pipeline.hbase.made import write_mark


def test_a_table_has_its_families_its_splits_and_files_for_large_values() -> None:
    assert create_statement("imagenet_a", 2) == (
        "create 'imagenet_a', "
        "{NAME => 'image', VERSIONS => 1, IS_MOB => true, MOB_THRESHOLD => 102400}, "
        "{NAME => 'metadata', VERSIONS => 1, DATA_BLOCK_ENCODING => 'FAST_DIFF'}, "
        "{NAME => 'features', VERSIONS => 1}, {NAME => 'prediction', VERSIONS => 1}, "
        "SPLITS => ['80']"
    )


def program(tmp_path: Path, script: str) -> Cluster:
    path = tmp_path / "hbase"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return Cluster.load(write_mark(tmp_path / "cluster", hbase_bin=str(path)))


def test_the_shell_gets_the_statements_and_gives_what_it_prints(tmp_path: Path) -> None:
    cluster = program(tmp_path, 'echo "$*"; cat')

    assert shell(cluster, "flush 'a'", "list") == "shell -n\nflush 'a'\nlist\n"


def test_the_shells_complaint_is_one_sentence(tmp_path: Path) -> None:
    cluster = program(tmp_path, "echo; echo 'ERROR: Table already exists: a!'; exit 1")

    with pytest.raises(ClusterError, match=r"create 'a' failed: ERROR: Table already exists: a!$"):
        shell(cluster, "create 'a', {NAME => 'image'}")


def test_a_missing_shell_is_named(tmp_path: Path) -> None:
    cluster = Cluster.load(write_mark(tmp_path / "cluster", hbase_bin=str(tmp_path / "none")))

    with pytest.raises(ClusterError, match=r"HBase's shell .*none does not work"):
        shell(cluster, "list")


@pytest.mark.hbase
def test_a_server_that_is_not_there_is_one_sentence(unused_port: int) -> None:
    pytest.importorskip("happybase")
    address = Address("127.0.0.1", unused_port, "imagenet_a")

    with (
        Table(address, ()) as table,
        pytest.raises(ClusterError, match="see `bin/pipeline status`"),
    ):
        table.exists()


@pytest.fixture
def unused_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.mark.parametrize("store", ["hive", "", 1, None])
def test_a_store_that_there_is_not_is_refused(store: object) -> None:
    with pytest.raises(ConfigError, match=r"\[data\] store is bundles or hbase, not"):
        Config.from_dict({"data": {"store": store}})


def test_the_same_data_have_another_image_store_in_hbase() -> None:
    assert name_of("/data/a", in_hbase=True) == f"{name_of('/data/a')}-hbase"


def test_numbered_pictures_are_the_same_pictures_and_other_bytes(jpeg: Any) -> None:
    from mr_jobs.lib.images import decode_probed, probe

    original = jpeg(64, 48)
    made = [numbered(original, number) for number in (0, 1, 99_999_999)]

    assert len({original, *made}) == 4
    for encoded in (original, *made):
        header = probe(encoded)
        pixels = decode_probed(encoded, header, max_image_px=10_000, min_side_px=None)
        assert (
            pixels == decode_probed(original, header, max_image_px=10_000, min_side_px=None)
        ).all()


def test_as_many_images_are_written_as_are_asked_for(jpeg: Any, tmp_path: Path) -> None:
    from pipeline.layouts import find_raw_data
    from pipeline.raw_members import raw_members

    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jpg").write_bytes(jpeg(64, 48))
    (tmp_path / "in" / "b.txt").write_text("no picture")
    folder = tmp_path / "out"
    folder.mkdir()

    n_bytes = write_data(folder, photographs(tmp_path / "in"), 37)

    data = find_raw_data(folder, allow_damaged=False)
    members = [m for s in data.sources for m in raw_members(s, data, allow_damaged=False)]
    assert len(members) == 37
    assert sum(m.member.size for m in members) == n_bytes


def test_a_folder_without_photographs_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no JPEG in"):
        photographs(tmp_path)
    with pytest.raises(ConfigError, match="cannot be read"):
        photographs(tmp_path / "none")


def test_bench_store_refuses_a_cluster_without_hbase(cli: Any, tmp_path: Path) -> None:
    mark = write_mark(tmp_path / "there")

    with_none = cli("bench-store", "--cluster-dir", mark)
    no_cluster = cli("bench-store", "--cluster-dir", tmp_path / "none")

    for answer in (with_none, no_cluster):
        assert answer.code == 2
        assert "bin/pipeline up --with hbase" in answer.err

"""An image store in HBase, whose Thrift server is one of the test's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline import hbase_store
from tests.hbase_gateway import Gateway, serving
from tests.pipeline.hbase.made import write_mark


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gateway]:
    pytest.importorskip("happybase")
    with serving() as gateway:
        monkeypatch.setattr(hbase_store, "shell", lambda _, statement: gateway.create(statement))
        yield gateway


@pytest.fixture
def config(own_var: Path, tmp_path: Path) -> Path:
    path = tmp_path / "hbase.toml"
    path.write_text('[data]\nstore = "hbase"\n' + (tmp_path / "small.toml").read_text())
    return path


@pytest.fixture
def options(gateway: Gateway, config: Path, tmp_path: Path) -> tuple[object, ...]:
    """Say where the table is, and that this machine runs the jobs."""
    mark = write_mark(tmp_path / "there", hbase_host="127.0.0.1", hbase_thrift_port=gateway.port)
    return ("--config", config, "--cluster-dir", mark, "--images", "mine", "--runner", "inline")


@pytest.fixture
def stored(cli: Any, folder_data: Any, options: tuple[object, ...], own_var: Path) -> Path:
    """Ingest 36 images; return the image store's directory."""
    answer = cli("ingest", folder_data(), *options)
    assert answer.code == 0, answer.err
    return own_var / "images" / "mine"

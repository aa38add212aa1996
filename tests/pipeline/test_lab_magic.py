"""A notebook's magics: the helpers by name, `%%hql` without Hive, `%pipeline` on its cluster."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mr_jobs.lib.errors import ConfigError, PipelineError
from pipeline import images as image_stores
from pipeline import lab_magic
from pipeline.lab_files import OPTIONS, options_from
from pipeline.lab_magic import PipelineMagic, load_ipython_extension
from tests.pipeline.made_store import MadeStore


class Shell:
    """As much of an IPython shell as an extension sees."""

    def __init__(self) -> None:
        self.user_ns: dict[str, Any] = {}
        self.magics: dict[str, Callable[..., Any]] = {}
        self.shown: list[str] = []

    def push(self, names: dict[str, Any], interactive: bool) -> None:
        self.user_ns |= names

    def register_magic_function(self, function: Callable[..., Any], _: str, name: str) -> None:
        self.magics[name] = function

    def set_custom_exc(self, kinds: tuple[type, ...], handler: Callable[..., None]) -> None:
        self.kinds, self.handler = kinds, handler

    def _showtraceback(self, _kind: object, _error: object, lines: list[str]) -> None:
        self.shown += lines


@pytest.fixture
def shell(own_var: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """Load the extension for an image store of two images on this machine."""
    MadeStore(image_stores.LOCAL / "small", {"train/n1/a.JPEG": b"one", "val/n2/b.JPEG": b"two"})
    monkeypatch.setenv(OPTIONS, json.dumps({"runner": "local"}))
    for name in ("MRJOB_CONF", "HADOOP_HOME"):
        monkeypatch.setenv(name, "kept")
    made = Shell()
    load_ipython_extension(made)
    return made


def test_the_helpers_have_their_names(shell: Shell) -> None:
    assert {"cluster", "store", "img", "grid", "query", "predict", "job", "use"} <= set(
        shell.user_ns
    )
    assert set(shell.magics) == {"hql", "hdfs", "pipeline"}


def test_without_hive_hql_asks_the_index_and_keeps_an_answer(shell: Shell) -> None:
    found = shell.magics["hql"]("", "SHOW TABLES;\nSELECT wnid FROM images ORDER BY wnid;")

    assert list(found) == [("n1",), ("n2",)]
    assert shell.magics["hql"]("SELECT COUNT(*) FROM images")[0] == (2,)
    assert shell.magics["hql"]("rows <<", "SELECT key FROM images WHERE split = 'val'") is None
    assert list(shell.user_ns["rows"]) == [("val/n2/b.JPEG",)]


def test_an_empty_cell_of_hql_is_a_sentence(shell: Shell) -> None:
    with pytest.raises(ConfigError, match="%%hql wants a statement"):
        shell.magics["hql"]("", "-- nothing;\n")


def test_hdfs_without_a_cluster_is_a_sentence(shell: Shell) -> None:
    with pytest.raises(ConfigError, match="%hdfs needs a cluster; start it with"):
        shell.magics["hdfs"]("ls /")


def test_an_error_of_the_pipeline_is_shown_as_its_sentence(shell: Shell) -> None:
    assert shell.kinds == (PipelineError,)

    shell.handler(shell, ConfigError, ConfigError("no \x1b[2Jimage"), None)

    assert shell.shown == ["no \\x1b[2Jimage"]


@pytest.mark.parametrize(
    ("words", "added"),
    [
        (["images"], ["--name", "mine", "--cluster-dir", "/there"]),
        (["query", "SHOW TABLES"], ["--name", "mine", "--cluster-dir", "/there"]),
        (["runs"], []),
        (["sample", "folder", "--classes", "3"], []),
    ],
)
def test_a_command_gets_the_notebooks_cluster_where_it_takes_one(
    words: list[str], added: list[str]
) -> None:
    options = options_from(json.dumps({"name": "mine", "cluster_dir": "/there"}))

    assert PipelineMagic(options)._with_cluster(words) == [*words, *added]


def test_an_existing_cluster_is_passed_on_as_such() -> None:
    options = options_from(json.dumps({"cluster": "existing"}))

    assert PipelineMagic(options)._with_cluster(["images"]) == ["images", "--cluster", "existing"]


def test_what_is_no_command_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConfigError, match="that is no command"):
        PipelineMagic(options_from(""))._with_cluster(["quak"])

    assert "invalid choice: 'quak'" in capsys.readouterr().err


def test_a_command_that_fails_is_an_error_after_its_own_sentence(
    capsys: pytest.CaptureFixture[str],
) -> None:
    magic = PipelineMagic(options_from(""))

    with pytest.raises(ConfigError, match="pipeline report ended with exit code"):
        magic.run("report no-such-run")

    assert "pipeline report: " in capsys.readouterr().out


def test_jupysql_is_imported_quietly_and_without_sparks_remote_client(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import sys

    for name in ("PLOOMBER_STATS_ENABLED", "PLOOMBER_VERSION_CHECK_DISABLED"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delitem(sys.modules, "pyspark.sql.connect", raising=False)
    with lab_magic._quiet_jupysql():
        import os

        assert os.environ["PLOOMBER_STATS_ENABLED"] == "false"
        assert sys.modules["pyspark.sql.connect"] is None
    assert "pyspark.sql.connect" not in sys.modules

"""`bin/pipeline shell` says what is missing, and does what -c and a pipe say."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline import cluster_mark, extras
from pipeline.cluster_mark import MARK
from tests.pipeline.conftest import Answer

Cli = Callable[..., Answer]


@pytest.fixture
def bare_cluster(tmp_path: Path) -> Path:
    """Write the mark of a cluster without components, at whose addresses nothing answers."""
    place = tmp_path / "bare"
    place.mkdir()
    known: dict[str, Any] = {
        fact: f"http://127.0.0.1:9/{fact}" if fact.endswith("url") else str(place / fact)
        for fact in cluster_mark.Cluster.__dataclass_fields__
        if not str(cluster_mark.Cluster.__dataclass_fields__[fact].type).endswith("None")
    }
    known |= {"name": "bare", "id": "bare-1", "port_base": 9, "fs_uri": "hdfs://127.0.0.1:9"}
    known |= {"webhdfs_url": "http://127.0.0.1:9", "address": "127.0.0.1", "ports": {}}
    known |= {"resourcemanager_url": "http://127.0.0.1:9"}
    (place / MARK).write_text(json.dumps(known))
    return place


@pytest.mark.parametrize("kind", ["hdfs", "hive", "hbase"])
def test_without_a_cluster_it_says_how_to_start_one(cli: Cli, tmp_path: Path, kind: str) -> None:
    answer = cli("shell", kind, "-c", "x", "--cluster-dir", tmp_path / "none")

    assert answer.code == 2
    assert answer.err == (
        f"pipeline shell: shell {kind} needs a cluster, and there is no imagenet; start it with "
        "`bin/pipeline up`\n"
    )


@pytest.mark.parametrize("kind", ["hive", "hbase"])
def test_a_missing_component_is_named_with_the_command_that_adds_it(
    cli: Cli, bare_cluster: Path, kind: str
) -> None:
    answer = cli("shell", kind, "-c", "x", "--cluster-dir", bare_cluster)

    assert answer.code == 2
    assert f"add it with `bin/pipeline up --name bare --with {kind}`" in answer.err
    assert len(answer.err.splitlines()) == 1


def test_a_missing_extra_is_named_with_the_command_that_installs_it(
    cli: Cli, bare_cluster: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in extras.MODULES:
        monkeypatch.setitem(extras.MODULES, name, "no_such_module_is_installed")

    spark = cli("shell", "spark", "-c", "x", "--cluster-dir", bare_cluster)
    lab = cli("lab", "--cluster-dir", bare_cluster)

    assert (spark.code, lab.code) == (2, 2)
    assert "shell spark needs the extra spark: bin/setup --extra spark" in spark.err
    assert "lab needs the extra lab: bin/setup --extra lab" in lab.err


def test_a_silent_cluster_is_a_sentence(cli: Cli, bare_cluster: Path) -> None:
    answer = cli("shell", "hdfs", "-c", "ls /", "--cluster-dir", bare_cluster)

    assert answer.code == 3
    assert answer.err == (
        "pipeline shell: HDFS does not answer at http://127.0.0.1:9; see `bin/pipeline status`\n"
    )


def test_python_prints_the_values_of_expressions(cli: Cli) -> None:
    answer = cli("shell", "python", "--runner", "local", "-c", "x = 20", "-c", "x + 1\nstr(x)")

    assert (answer.code, answer.out) == (0, "21\n'20'\n")


def test_python_reads_a_pipe_with_blocks_in_it(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    source = "for n in range(2):\n    print(n)\n\nprint(callable(img), cluster)\n"
    monkeypatch.setattr("sys.stdin", io.StringIO(source))

    answer = cli("shell", "python", "--runner", "local")

    assert (answer.code, answer.out) == (0, "0\n1\nTrue None\n")


def test_an_error_of_a_helper_is_a_sentence_with_its_exit_code(cli: Cli) -> None:
    answer = cli("shell", "python", "--runner", "local", "-c", "job()", "-c", "print('no')")

    assert (answer.code, answer.out) == (2, "")
    assert answer.err == (
        "pipeline shell: job() is of a cluster's YARN, and there is none; start one with "
        "`bin/pipeline up`\n"
    )


def test_an_error_of_the_users_own_program_is_a_traceback(
    cli: Cli, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli("shell", "python", "--runner", "local", "-c", "1 / 0")

    assert ended.value.code == 1
    assert "ZeroDivisionError" in capfd.readouterr().err

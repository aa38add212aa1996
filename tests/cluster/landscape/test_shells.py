"""The shells, as a person at a terminal uses them and as a pipe does, on a real cluster."""

from __future__ import annotations

import json
import stat
import time
from pathlib import Path

import pexpect
import pytest

from pipeline import cluster as clusters
from pipeline.cluster import Cluster
from tests.cluster.conftest import say
from tests.cluster.landscape.preset import ask, leave, talk
from tests.cluster.pipelines import processes

pytestmark = [pytest.mark.cluster, pytest.mark.landscape, pytest.mark.lab]


@pytest.fixture(scope="module")
def whole(cluster: Cluster) -> Cluster:
    """Add Hive and HBase to the session's cluster."""
    return clusters.up(
        cluster.name, directory=cluster.dir, components=["hive", "hbase"], progress=say
    ).cluster


def test_hdfs_answers_at_once_and_completes_paths(whole: Cluster, tmp_path: Path) -> None:
    photo = tmp_path / "photo.txt"
    photo.write_text("not really\n")
    shell = talk(tmp_path, whole, "shell", "hdfs")
    shell.expect_exact("Ctrl-D leaves")
    shell.expect_exact("> ")
    shell.sendline("mkdir '/tmp/my photos'")
    shell.sendline(f"put {photo} '/tmp/my photos'")
    shell.expect_exact("→ /tmp/my photos/photo.txt")
    shell.expect_exact("> ")

    began = time.monotonic()
    shell.send("cat /tmp/my\t\t\r")
    shell.expect_exact("not really")
    took_s = time.monotonic() - began

    assert took_s < 2.0  # a JVM alone takes longer; some milliseconds on a quiet machine
    shell.sendline("stat /tmp/my\\ photos/photo.txt")
    shell.expect_exact("block 0: 11 bytes at 0: ")
    shell.sendline("ls /nope")
    shell.expect_exact("/nope: no such file or directory in HDFS")
    shell.sendline("rm -r '/tmp/my photos'")
    shell.expect_exact("removed /tmp/my photos")
    assert leave(shell) == 0
    assert stat.S_IMODE((tmp_path / "shell" / "hdfs.history").stat().st_mode) == 0o600


def test_hdfs_takes_a_pipe_and_ends_at_the_first_error(whole: Cluster, tmp_path: Path) -> None:
    done = ask(tmp_path, whole, "shell", "hdfs", given="ls -d /tmp\nls /nope\nls -d /user\n")

    assert done.returncode == 2
    assert done.stdout.endswith("  /tmp\n")
    assert done.stderr == "pipeline shell: /nope: no such file or directory in HDFS\n"


def test_hdfs_brings_bytes_through_a_pipe_unchanged(whole: Cluster, tmp_path: Path) -> None:
    content = bytes(range(256)) * 5000
    (tmp_path / "bytes").write_bytes(content)

    done = ask(
        tmp_path, whole, "shell", "hdfs",
        "-c", f"put {tmp_path / 'bytes'} /tmp/bytes", "-c", f"get /tmp/bytes {tmp_path / 'back'}",
        "-c", "cp /tmp/bytes /tmp/copy", "-c", "mv /tmp/copy /tmp/moved", "-c", "du /tmp/moved",
        "-c", "chmod 600 /tmp/moved", "-c", "ls /tmp/moved", "-c", "df",
        "-c", "rm /tmp/bytes /tmp/moved",
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "back").read_bytes() == content
    assert "1280000  1280000  /tmp/moved\n-rw-------  " in done.stdout
    assert "capacity " in done.stdout


def hive(place: Path, cluster: Cluster) -> pexpect.spawn:
    """Open the Hive shell, in the database `default`."""
    shell = talk(place, cluster, "shell", "hive")
    shell.expect_exact("Ctrl-D leaves")
    shell.expect_exact("> ")
    shell.sendline(r"\c default")
    shell.expect_exact("hive:default> ")
    return shell


def test_hive_takes_statements_over_lines_and_shows_errors_as_sentences(
    whole: Cluster, tmp_path: Path
) -> None:
    shell = hive(tmp_path, whole)
    shell.sendline("CREATE TABLE hello (id INT,")
    shell.expect_exact("-> ")
    shell.sendline("word STRING);")
    shell.expect_exact("done, ")
    shell.sendline("INSERT INTO hello VALUES (1, 'a;b');")
    shell.expect_exact("done, ")
    shell.sendline("SELECT nope FROM hello;")
    shell.expect_exact("Invalid table alias or column reference 'nope'")
    shell.expect_exact("hive:default> ")
    shell.sendline(r"\d hello")
    shell.expect_exact("(2 rows, ")
    shell.send("select word from hel\t;\r")
    shell.expect("a;b\r\n.*1 row, ")
    shell.sendline("DROP TABLE hello;")
    shell.expect_exact("done, ")
    assert leave(shell) == 0
    history = (tmp_path / "shell" / "hive.history").read_text().splitlines()
    assert history[1] == "CREATE TABLE hello (id INT, word STRING);"


def test_a_statement_of_hives_can_be_stopped(whole: Cluster, tmp_path: Path) -> None:
    shell = hive(tmp_path, whole)
    many = "(SELECT explode(split(space(5000), ' ')) AS word)"
    join = f"SELECT COUNT(*) FROM {many} a JOIN {many} b ON a.word = b.word;"  # noqa: S608
    shell.sendline(join)
    shell.expect_exact("b.word;\r\n")
    shell.sendintr()
    shell.expect_exact("interrupted", timeout=30)
    shell.sendline("SHOW DATABASES;")
    shell.expect_exact("default")
    assert leave(shell) == 0


def test_hive_takes_a_pipe(whole: Cluster, tmp_path: Path) -> None:
    done = ask(tmp_path, whole, "shell", "hive", given="SHOW\nDATABASES;\nSELECT * FROM nope")

    assert done.returncode == 2
    assert done.stdout.startswith("database_name\n")
    assert done.stderr.startswith("pipeline shell: SemanticException")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.hbase
def test_hbase_opens_its_own_shell_with_a_history(whole: Cluster, tmp_path: Path) -> None:
    shell = talk(tmp_path, whole, "shell", "hbase")
    shell.expect_exact("Ctrl-D leaves")
    shell.expect_exact("hbase:001:0> ")
    shell.sendline("create 'hello', 'cf'")
    shell.expect_exact("Created table hello")
    shell.expect_exact("hbase:002:0> ")
    shell.sendline("exit")
    leave(shell)

    history = tmp_path / "shell" / "hbase.history"
    assert "create 'hello', 'cf'" in history.read_text()
    assert stat.S_IMODE(history.stat().st_mode) == 0o600


@pytest.mark.hbase
def test_hbase_takes_a_pipe_and_ends_at_the_first_error(whole: Cluster, tmp_path: Path) -> None:
    lines = "put 'hello', 'row1', 'cf:word', 'elephant'\nscan 'hello'\ndisable 'hello'\n"
    done = ask(tmp_path, whole, "shell", "hbase", given=f"{lines}drop 'hello'\n")
    wrong = ask(tmp_path, whole, "shell", "hbase", "-c", "scan 'hello'", "-c", "list")

    assert done.returncode == 0, done.stderr
    assert "value=elephant" in done.stdout
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("pipeline shell: HBase: Unknown table hello; see ")
    assert len(wrong.stderr.splitlines()) == 1


@pytest.mark.spark
def test_spark_works_on_the_clusters_yarn_and_leaves_nothing(
    whole: Cluster, tmp_path: Path
) -> None:
    done = ask(
        tmp_path, whole, "shell", "spark",
        "-c", "sc.parallelize(range(100), 2).sum()", "-c", "sc.master",
        "-c", "spark.sql('SHOW DATABASES').first()[0]",
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-3:] == ["4950", "'yarn'", "'default'"]
    own = f"-Dcluster.id={whole.id}"
    assert processes(lambda argv, _: own in argv and any("SparkSubmit" in a for a in argv)) == []


def test_python_has_the_helpers(whole: Cluster, tmp_path: Path) -> None:
    shell = talk(tmp_path, whole, "shell", "python")
    shell.expect_exact("Ctrl-D leaves")
    shell.expect_exact("In [1]: ")
    shell.send("cluster.name\r")
    shell.expect_exact(whole.name)
    shell.expect_exact("In [2]: ")
    shell.send("job('asleep')\r")
    shell.expect_exact("job: 'asleep' is no state of YARN's: NEW, ")
    shell.expect_exact("In [3]: ")
    assert leave(shell) == 0


def test_every_web_page_of_the_cluster_answers(whole: Cluster, tmp_path: Path) -> None:
    done = ask(tmp_path, whole, "ui", "--json")

    pages = {page["name"]: page for page in json.loads(done.stdout)["pages"]}
    assert done.returncode == 0, done.stderr
    assert {page["ok"] for page in pages.values()} == {True}
    assert {
        "NameNode", "DataNode", "ResourceManager", "NodeManager", "JobHistoryServer",
        "HBase master", "HBase region server", "HBase Thrift",
    } <= set(pages)  # fmt: skip

"""A secure cluster: the same results, clear refusals, no secret outside its place, none left over.

The tests go from the first to the last on one cluster: the last ones change its credentials.
"""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest

from mr_jobs.lib.errors import ConfigError
from pipeline import cluster as clusters
from pipeline import playbooks
from pipeline.cluster import Cluster
from pipeline.credentials import PASSWORD_VARIABLE, Credentials, password_file
from pipeline.sample import write_sample
from pipeline.save_step import SAVED
from pipeline.stores import HdfsStore
from tests.cluster import leak_scan
from tests.cluster import pipelines as p
from tests.cluster.accounts import Account, anonymous_status
from tests.cluster.conftest import deployed, say

pytestmark = [pytest.mark.cluster, pytest.mark.extended]

RUN_S = 600.0
Seen = dict[tuple[str, str], bytes]


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory, _own_places: None) -> Iterator[Cluster]:
    """Deploy a secure cluster with a vault password of its own; destroy it in any case."""
    place = tmp_path_factory.mktemp("secure") / f"secure-{uuid.uuid4().hex[:8]}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(PASSWORD_VARIABLE, str(tmp_path_factory.mktemp("vault") / "password"))
        with deployed(place, secure=True, weak_shuffle_check=True) as up:
            yield up.cluster


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data") / "sample"
    write_sample(root, n_classes=3, n_images=12, seed=5)
    return root


@pytest.fixture(scope="module")
def results(secure: Cluster, data: Path) -> Iterator[dict[str, Any]]:
    """Run the pipeline on the cluster and in this process, watching all processes meanwhile."""
    ids = {runner: f"secure-{runner}-{uuid.uuid4().hex[:6]}" for runner in ("hadoop", "inline")}
    images = f"secure-{uuid.uuid4().hex[:6]}"
    common = ("--data", data, "--images", images)
    with p.forgotten(*ids.values()):
        with leak_scan.watched_processes() as seen:
            p.run("full", *common, "--run-id", ids["hadoop"], "--keep", *p.on(secure))
        p.run("full", *common, "--run-id", ids["inline"], "--runner", "inline")
        yield {**ids, "seen": seen}


@pytest.fixture
def as_account(secure: Cluster, tmp_path: Path) -> Callable[[str], Account]:
    def log_in(name: str) -> Account:
        account = Account(secure, tmp_path, name)
        done = account.log_in()
        assert done.returncode == 0, done.stderr
        return account

    return log_in


@pytest.fixture
def text(secure: Cluster) -> Iterator[str]:
    """Put a small file into a directory of the pipeline; name that directory."""
    store = HdfsStore(secure.webhdfs_url, secure.fs_uri, secure.in_hdfs("test-text"))
    store.write("in/lines.txt", [b"one\ntwo\n"])
    yield str(store.root)
    store.delete("")


def test_a_run_with_reduces_predicts_what_the_inline_run_predicts(results: dict[str, Any]) -> None:
    tables = [
        (SAVED / results[runner] / "predictions.tsv").read_bytes()
        for runner in ("hadoop", "inline")
    ]
    assert tables[0] == tables[1]
    assert tables[0].count(b"\n") > 5


def test_no_secret_is_anywhere_but_in_its_place(
    secure: Cluster, results: dict[str, Any], tmp_path: Path
) -> None:
    values = leak_scan.secret_values(secure)
    assert len(values) > 10
    var, saved = p.ROOT / "var", SAVED / results["hadoop"]
    logs = (playbooks.LOG_DIR.parent, var / "ansible")  # of this process, and of its children
    roots = (secure.dir, var / "runs" / results["hadoop"], saved, *logs)
    seen: Seen = results["seen"]

    found = leak_scan.leaks(values, leak_scan.files(*roots, without=[secure.dir / "secrets"]))
    found |= leak_scan.leaks(values, (("".join(name), content) for name, content in seen.items()))
    found |= leak_scan.leaks(values, in_hdfs(secure, "/imagenet"))

    assert found == set()
    assert any(b"java" in content for content in seen.values())
    secret = values["store_password"]
    planted = {"raw": secret, "hex": secret.hex().encode(), "b": base64.b64encode(b"x" + secret)}
    for name, content in planted.items():
        (tmp_path / name).write_bytes(b"before " + content + b" after")
    hits = leak_scan.leaks(values, leak_scan.files(tmp_path))
    assert hits == {("store_password", str(tmp_path / name)) for name in planted}


def in_hdfs(cluster: Cluster, path: str) -> Iterator[tuple[str, bytes]]:
    """Yield the small files below a directory in HDFS."""
    store = HdfsStore(cluster.webhdfs_url, cluster.fs_uri, path)
    for entry in store.scan(""):
        if entry.kind == "DIRECTORY":
            yield from in_hdfs(cluster, f"{path}/{entry.name}")
        elif entry.size <= 1 << 20:
            with store.open(entry.name) as file:
                yield f"{path}/{entry.name}", file.read()


def test_without_a_ticket_nothing_is_told(secure: Cluster, tmp_path: Path) -> None:
    nobody = Account(secure, tmp_path)
    done = nobody.hadoop("fs", "-ls", "/")
    assert done.returncode != 0
    assert "Client cannot authenticate via:[TOKEN, KERBEROS]" in done.stderr
    for daemon in (secure.webhdfs_url, secure.resourcemanager_url, secure.historyserver_url):
        assert anonymous_status(secure, f"{daemon}/conf") == 401
    assert anonymous_status(secure, f"{secure.webhdfs_url}/webhdfs/v1/?op=LISTSTATUS") == 401
    with pytest.raises((OSError, HTTPException)):  # they speak TLS only
        anonymous_status(secure, secure.webhdfs_url.replace("https:", "http:"))


def test_the_analyst_reads_and_does_nothing_else(
    secure: Cluster, text: str, as_account: Callable[[str], Account]
) -> None:
    analyst = as_account("analyst")
    assert analyst.hadoop("fs", "-cat", f"{text}/in/lines.txt").stdout == "one\ntwo\n"
    assert analyst.status(f"{secure.webhdfs_url}/jmx?qry=none") == 200
    refused = analyst.hadoop("fs", "-touchz", f"{text}/mine")
    assert "Permission denied: user=analyst, access=WRITE" in refused.stderr
    foreign = analyst.hadoop("fs", "-ls", f"/user/{os.environ.get('USER') or 'root'}/.staging")
    assert foreign.returncode != 0
    queues = analyst.hadoop("queue", "-showacls").stdout
    assert "SUBMIT" not in queues


def test_the_pipeline_submits_to_its_own_queue_only(
    text: str, as_account: Callable[[str], Account]
) -> None:
    pipeline = as_account("pipeline")
    refused = pipeline.streaming(
        f"{text}/in", f"{text}/out", "cat", "mapreduce.job.queuename=default"
    )
    assert refused.returncode != 0
    assert "does not have permission to submit" in refused.stderr + refused.stdout


def test_a_job_outlives_a_ticket_that_is_renewed(secure: Cluster, text: str) -> None:
    life_s = 60
    edit(secure, f'modprinc -maxlife "{life_s} seconds" pipeline')
    try:
        started = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-c", LONG_JOB, str(secure.dir), text, str(life_s + 20)],
            cwd=p.ROOT,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    finally:
        edit(secure, 'modprinc -maxlife "10 hours" pipeline')
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "two"
    assert time.monotonic() - started > life_s


LONG_JOB = """
import subprocess, sys
from pathlib import Path
from pipeline.cluster import Cluster
from pipeline.stores import HdfsStore
place, text, seconds = sys.argv[1:]
cluster = Cluster.load(Path(place))
store = HdfsStore(cluster.webhdfs_url, cluster.fs_uri, text)
assert store.exists("in")
mapper = f"sh -c 'sleep {seconds}; cat'"
command = [cluster.hadoop_bin, "jar", cluster.streaming_jar]
command += ["-input", f"{text}/in", "-output", f"{text}/long", "-mapper", mapper, "-reducer", "cat"]
subprocess.run(command, check=True, stdout=sys.stderr)
listed = subprocess.run([cluster.hadoop_bin, "fs", "-cat", f"{text}/long/part-*"],
                        check=True, capture_output=True, text=True)
assert store.exists("long")
print("\\n".join(sorted(listed.stdout.split())))
"""


def edit(cluster: Cluster, line: str) -> None:
    """Give the Kerberos database a command."""
    command = [str(cluster.dir / "bin" / "kerberos"), "kadmin.local", "-q", line]
    subprocess.run(command, check=True, capture_output=True, timeout=60)


def test_a_kerberos_server_that_died_is_told_and_started_again(secure: Cluster) -> None:
    state = clusters.status(secure.name, directory=secure.dir)
    assert state["ok"], state
    assert "WEAKER" in state["security"]
    os.kill(state["daemons"]["kdc"]["pid"], signal.SIGKILL)
    told = clusters.status(secure.name, directory=secure.dir)
    assert told["daemons"]["kdc"]["says"] == "does not run"
    clusters.up(secure.name, directory=secure.dir, progress=say)
    assert clusters.status(secure.name, directory=secure.dir)["ok"]
    clusters.restart(secure.name, directory=secure.dir, progress=say)
    assert clusters.status(secure.name, directory=secure.dir)["ok"]


def test_after_a_rotation_an_old_key_opens_nothing(
    secure: Cluster, text: str, as_account: Callable[[str], Account]
) -> None:
    analyst = as_account("analyst")
    before = leak_scan.secret_values(secure)
    told = p.run("credentials", "rotate", *p.on(secure))
    after = leak_scan.secret_values(secure)
    fixed = ("kdc_master_password", "vault_password")
    assert {name for name in before if before[name] == after[name]} == set(fixed)
    assert "kdc-master" not in told["rotated"]
    assert "Password incorrect" in analyst.log_in().stderr  # by the key from before
    assert analyst.hadoop("fs", "-ls", text).returncode != 0  # and its ticket is void
    analyst.keytab.unlink()
    assert analyst.log_in().returncode == 0
    assert analyst.hadoop("fs", "-ls", text).returncode == 0


def test_a_revoked_account_can_do_nothing_any_more(
    secure: Cluster, text: str, as_account: Callable[[str], Account]
) -> None:
    analyst = as_account("analyst")
    with pytest.raises(AssertionError, match="--yes analyst"):
        p.run("credentials", "revoke", "analyst", *p.on(secure))
    p.run("credentials", "revoke", "analyst", "--yes", "analyst", *p.on(secure))
    assert "not found in Kerberos database" in analyst.log_in().stderr
    assert analyst.hadoop("fs", "-ls", text).returncode != 0
    assert analyst.status(f"{secure.webhdfs_url}/webhdfs/v1{text}?op=LISTSTATUS") in (401, 403)
    listed = p.run("credentials", "list", *p.on(secure))["credentials"]
    assert [each["readers"] for each in listed if each["name"] == "account-analyst"] == ["nobody"]


def test_destroy_overwrites_the_secrets_and_leaves_nothing(secure: Cluster, tmp_path: Path) -> None:
    keytab = secure.dir / "secrets" / "keytabs" / "nn.keytab"
    linked, before = tmp_path / "linked", keytab.read_bytes()
    linked.hardlink_to(keytab)  # the same bytes on the disk, after the name is gone
    store = Credentials(secure.name, secure.dir).dir
    assert store.is_dir()

    assert clusters.down(secure.name, directory=secure.dir, discard_unsaved=True, progress=say)

    assert len(linked.read_bytes()) == len(before)
    assert leak_scan.key_of(before) not in linked.read_bytes()
    assert not secure.dir.exists()
    assert not store.exists()
    assert password_file().exists()  # the user's, for other clusters
    with pytest.raises(ConfigError, match="has no credentials"):
        _ = Credentials(secure.name, secure.dir).index

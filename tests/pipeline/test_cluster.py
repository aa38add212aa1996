"""The cluster's Python interface, where no Hadoop is needed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mr_jobs.lib.errors import ClusterError, ConfigError
from pipeline import cluster as clusters
from pipeline import playbooks
from pipeline.cluster import Cluster
from pipeline.playbooks import ROOT, Playbook


def quiet(_: str) -> None:
    """Take a line of progress and drop it."""


@pytest.fixture(autouse=True)
def own_var(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep receipts, locks and logs of a test in its own directory."""
    var = tmp_path / "var"
    monkeypatch.setattr(clusters, "RECEIPTS_DIR", var / "receipts")
    monkeypatch.setattr(clusters, "LOCKS_DIR", var / "locks")
    monkeypatch.setattr(playbooks, "LOG_DIR", var / "ansible")
    return var


@pytest.fixture
def no_playbook(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail when a playbook is started."""

    def refuse(name: str, *_: object, **__: object) -> Playbook:
        raise AssertionError(f"{name}.yml was started")

    monkeypatch.setattr(clusters, "run_playbook", refuse)


@pytest.fixture
def fake_ansible(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Replace the playbooks by one that the test writes."""

    def use(tasks: str) -> None:
        folder = tmp_path / "ansible"
        (folder / "inventories").mkdir(parents=True)
        (folder / "ansible.cfg").write_text("[defaults]\n")
        inventory = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
        }
        (folder / "inventories" / "local.yml").write_text(
            json.dumps({"all": {"hosts": {"localhost": inventory}}})
        )
        (folder / "deploy.yml").write_text(
            "- name: Test\n  hosts: all\n  gather_facts: false\n  tasks:\n" + tasks
        )
        monkeypatch.setattr(playbooks, "ANSIBLE_DIR", folder)

    return use


def cluster_facts(place: Path) -> dict[str, Any]:
    names = ("hadoop_bin", "conf_dir", "streaming_jar", "lib_dir", "userlogs_dir", "log_dir")
    urls = ("fs_uri", "webhdfs_url", "resourcemanager_url", "historyserver_url")
    return {
        **{name: str(place / name) for name in names},
        **dict.fromkeys(urls, "http://127.0.0.1:1"),
        **{"name": "one", "id": "one-1", "dir": str(place), "port_base": 21000},
        "hadoop_version": "3.4.2",
    }


def write_mark(place: Path, **changes: Any) -> None:
    place.mkdir(parents=True, exist_ok=True)
    (place / ".cluster.json").write_text(json.dumps({**cluster_facts(place), **changes}))


def test_default_directory_is_below_var() -> None:
    assert clusters.cluster_dir("one") == ROOT / "var" / "clusters" / "one"


def test_given_directory_becomes_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    assert clusters.cluster_dir("one", Path("here")) == tmp_path / "here"


@pytest.mark.parametrize("name", ["", "../x", "a b", "A", "-x", "x" * 41])
@pytest.mark.usefixtures("no_playbook")
def test_unfit_name_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="cluster name"):
        clusters.up(name, progress=quiet)


@pytest.mark.parametrize("base", [0, 1023, 65500])
@pytest.mark.usefixtures("no_playbook")
def test_unfit_port_base_is_refused(base: int) -> None:
    with pytest.raises(ConfigError, match=f"port base {base}"):
        clusters.up("one", port_base=base, progress=quiet)


@pytest.mark.parametrize("digest", [None, "", "abc", "g" * 128])
@pytest.mark.usefixtures("no_playbook")
def test_tarball_without_its_checksum_is_refused(digest: str | None) -> None:
    with pytest.raises(ConfigError, match="sha512"):
        clusters.up("one", tarball="/x.tar.gz", tarball_sha512=digest, progress=quiet)


def test_mark_is_read_as_a_cluster(tmp_path: Path) -> None:
    write_mark(tmp_path)

    cluster = Cluster.load(tmp_path)

    assert (cluster.id, cluster.port_base) == ("one-1", 21000)
    assert cluster.hadoop_bin == tmp_path / "hadoop_bin"


def test_missing_or_unfinished_cluster_is_said(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="there is no cluster in"):
        Cluster.load(tmp_path)

    (tmp_path / ".cluster.json").write_text('{"id": "one-1"}')
    with pytest.raises(ClusterError, match="lacks 'name'; run `pipeline up` again"):
        Cluster.load(tmp_path)


def test_status_of_no_cluster_is_an_answer(tmp_path: Path) -> None:
    assert clusters.status("one", directory=tmp_path)["exists"] is False


def test_status_of_a_damaged_mark_is_an_answer(tmp_path: Path) -> None:
    (tmp_path / ".cluster.json").write_text("{")

    answer = clusters.status("one", directory=tmp_path)

    assert (answer["exists"], answer["ok"]) == (True, False)
    assert "cannot be read" in answer["problem"]


def test_unsaved_runs_are_noted_and_forgotten(tmp_path: Path) -> None:
    write_mark(tmp_path)
    cluster = Cluster.load(tmp_path)

    clusters.mark_unsaved(cluster, "run-1")
    clusters.mark_unsaved(cluster, "run-2")
    clusters.mark_saved(cluster, "run-1")
    clusters.mark_saved(cluster, "run-1")

    assert clusters.unsaved_runs(tmp_path) == ["run-2"]


@pytest.mark.usefixtures("no_playbook")
def test_second_up_of_the_same_cluster_waits_for_nothing_and_says_so(tmp_path: Path) -> None:
    with (
        clusters.lock("one", tmp_path),
        pytest.raises(ClusterError, match="another `pipeline` is deploying or destroying"),
    ):
        clusters.up("one", directory=tmp_path, progress=quiet)


def test_failed_task_is_told_with_host_reason_and_log(
    fake_ansible: Callable[[str], None], tmp_path: Path
) -> None:
    fake_ansible(
        "    - name: Start the daemons\n"
        "      ansible.builtin.command:\n"
        "        argv: [sh, -c, 'echo some noise >&2; echo FATAL ERROR no room >&2; exit 3']\n"
    )

    with pytest.raises(ClusterError) as caught:
        clusters.up("one", directory=tmp_path / "one", progress=quiet)

    message = str(caught.value)
    assert message.startswith("'Start the daemons' failed on localhost: FATAL ERROR no room (log: ")
    log = Path(message.partition("(log: ")[2].rstrip(")"))
    assert "no room" in log.read_text()


def test_broken_playbook_is_told(fake_ansible: Callable[[str], None], tmp_path: Path) -> None:
    fake_ansible("    - no_such_module_at_all: {}\n")

    with pytest.raises(ClusterError, match=r"ansible-playbook deploy\.yml did not run: .*ERROR"):
        clusters.up("one", directory=tmp_path / "one", progress=quiet)


def test_progress_is_the_names_of_the_tasks(
    fake_ansible: Callable[[str], None], tmp_path: Path
) -> None:
    fake_ansible(
        "    - name: First\n      ansible.builtin.command: 'true'\n"
        "    - name: Second\n      ansible.builtin.command: 'false'\n"
    )
    lines: list[str] = []

    with pytest.raises(ClusterError, match="'Second' failed"):
        clusters.up("one", directory=tmp_path / "one", progress=lines.append)

    assert lines == ["First", "Second"]


def test_nothing_is_left_in_the_home_directory(
    fake_ansible: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    fake_ansible("    - name: Fail\n      ansible.builtin.command: 'false'\n")

    with pytest.raises(ClusterError, match="'Fail' failed"):
        clusters.up("one", directory=tmp_path / "one", progress=quiet)

    assert list(home.iterdir()) == []


def test_environment_is_not_kept_in_the_logs(
    fake_ansible: Callable[[str], None],
    tmp_path: Path,
    own_var: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "tell-nobody")
    fake_ansible("    - name: Show\n      ansible.builtin.command: env\n")

    with pytest.raises(ClusterError, match="there is no cluster"):  # the fake one makes none
        clusters.up("one", directory=tmp_path / "one", progress=quiet)

    files = [path for path in (own_var / "ansible").rglob("*") if path.is_file()]
    assert files
    assert not any("tell-nobody" in path.read_text(errors="replace") for path in files)


def test_interrupt_ends_the_playbook_with_its_tasks(
    fake_ansible: Callable[[str], None], tmp_path: Path
) -> None:
    pid_file = tmp_path / "pid"
    fake_ansible(
        "    - name: Hang\n      ansible.builtin.command:\n"
        f"        argv: [sh, -c, 'echo $$ > {pid_file}; exec sleep 60']\n"
    )

    def interrupt() -> None:
        wait_for(lambda: pid_file.exists() and pid_file.read_text().strip() != "")
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        clusters.up("one", directory=tmp_path / "one", progress=quiet)
    thread.join()

    wait_for(lambda: not Path("/proc", pid_file.read_text().strip()).exists())
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_only_the_newest_logs_are_kept(
    fake_ansible: Callable[[str], None],
    tmp_path: Path,
    own_var: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(playbooks, "KEPT_LOGS", 2)
    fake_ansible("    - name: Fail\n      ansible.builtin.command: 'false'\n")
    for stamp in ("20200101T000000.000000-deploy", "20200102T000000.000000-deploy"):
        (own_var / "ansible" / stamp).mkdir(parents=True)

    with pytest.raises(ClusterError):
        clusters.up("one", directory=tmp_path / "one", progress=quiet)

    kept = sorted(path.name for path in (own_var / "ansible").iterdir())
    assert len(kept) == 2
    assert kept[0] == "20200102T000000.000000-deploy"


def test_machine_without_java_is_refused_before_anything_is_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("sh", "env"):
        (programs / name).symlink_to(str(shutil.which(name)))
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.delenv("JAVA_HOME", raising=False)

    with pytest.raises(ConfigError, match=r"failed on localhost: .*Java 17 is missing"):
        clusters.up("one", directory=tmp_path / "one", progress=quiet)

    assert not (tmp_path / "one").exists()


def test_directory_that_is_not_ours_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "a.tex").touch()

    with pytest.raises(ConfigError, match="is not ours to use"):
        clusters.up("one", directory=tmp_path / "thesis", progress=quiet)

    assert [path.name for path in (tmp_path / "thesis").iterdir()] == ["a.tex"]


def wait_for(condition: Callable[[], bool], limit_s: float = 30.0) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)

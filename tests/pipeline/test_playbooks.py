"""Playbooks run by the cluster's Python interface: what is told, kept, left, and interrupted."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mr_jobs.lib.errors import ClusterError
from pipeline import cluster as clusters
from pipeline import playbooks

pytestmark = pytest.mark.usefixtures("cluster_var")


def quiet(_: str) -> None:
    """Take a line of progress and drop it."""


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


def test_environment_is_not_kept_in_the_logs(
    fake_ansible: Callable[[str], None],
    tmp_path: Path,
    cluster_var: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "tell-nobody")
    fake_ansible("    - name: Show\n      ansible.builtin.command: env\n")

    with pytest.raises(ClusterError, match="there is no cluster"):  # the fake one makes none
        clusters.up("one", directory=tmp_path / "one", progress=quiet)

    files = [path for path in (cluster_var / "ansible").rglob("*") if path.is_file()]
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
    cluster_var: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(playbooks, "KEPT_LOGS", 2)
    fake_ansible("    - name: Fail\n      ansible.builtin.command: 'false'\n")
    for stamp in ("20200101T000000.000000-deploy", "20200102T000000.000000-deploy"):
        (cluster_var / "ansible" / stamp).mkdir(parents=True)

    with pytest.raises(ClusterError):
        clusters.up("one", directory=tmp_path / "one", progress=quiet)

    kept = sorted(path.name for path in (cluster_var / "ansible").iterdir())
    assert len(kept) == 2
    assert kept[0] == "20200102T000000.000000-deploy"


def wait_for(condition: Callable[[], bool], limit_s: float = 30.0) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)

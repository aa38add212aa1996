"""Deploying and destroying, cut off at each task: `up` and `down` recover from any half state."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mr_jobs.lib.errors import ClusterError
from pipeline import cluster as clusters
from pipeline.playbooks import run_playbook
from tests.cluster import pipelines as p
from tests.cluster.conftest import free_port_base, say
from tests.cluster.faults import hadoop as h

pytestmark = [pytest.mark.cluster, pytest.mark.faults]

LAST = "Write, read and delete a file, and run a streaming job"  # the rest is done in a blink


class Place:
    """A cluster of a test's own, which is not there yet."""

    def __init__(self, folder: Path) -> None:
        self.name = f"test-{uuid.uuid4().hex[:8]}"
        self.dir = folder / self.name
        self.port_base = free_port_base()

    @property
    def up(self) -> tuple[object, ...]:
        return ("up", "--port-base", self.port_base, *self._named)

    @property
    def down(self) -> tuple[object, ...]:
        return ("down", "--yes", self.name, "--discard-unsaved", *self._named)

    @property
    def _named(self) -> tuple[object, ...]:
        return ("--name", self.name, "--cluster-dir", self.dir)

    def processes(self) -> list[int]:
        """Return what runs with the identity of a cluster of this name."""
        return p.processes(
            lambda argv, _: any(arg.startswith(f"-Dcluster.id={self.name}-") for arg in argv)
        )


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    clusters.down(made.name, directory=made.dir, discard_unsaved=True, progress=lambda _: None)
    p.kill(made.processes())


def cut_off(args: tuple[object, ...], task: str, who: str) -> tuple[int, str]:
    """Start a command, and end it in a task.

    `who` is the process that gets the signal: Ansible (INT or KILL) or the driver (KILL). Returns
    the exit code, and the last line of standard error.
    """
    process = p.start(*args)
    assert process.stderr is not None
    seen = []
    while line := process.stderr.readline():
        seen.append(line.strip().partition(": ")[2])
        if seen[-1] == task:
            if who == "driver":
                p.kill([process.pid])
            else:
                for pid in ansible_of(process.pid):
                    os.kill(pid, signal.SIGINT if who == "Ansible, INT" else signal.SIGKILL)
    process.wait(120)
    process.communicate()
    return process.returncode, seen[-1]


def ansible_of(driver: int) -> list[int]:
    """Return the ansible-playbook that a driver started, not its workers."""
    return [
        pid
        for pid in p.processes(
            lambda argv, _: any(a.endswith("ansible-playbook") for a in argv[:2])
        )
        if parent(pid) == driver
    ]


def parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


WHO = ("Ansible, KILL", "Ansible, INT", "driver")


def test_up_recovers_when_it_is_cut_off_at_any_task(place: Place) -> None:
    said = p.end(p.start(*place.up))[1].splitlines()
    p.end(p.start(*place.down))
    tasks = [line.partition(": ")[2] for line in said]
    told, codes = [], []
    for number, task in enumerate(tasks[: tasks.index(LAST) + 1]):
        who = WHO[number % len(WHO)]
        code, last = cut_off(place.up, task, who)
        if code == 0:  # the signal came when the task was over: the next one needs a half state
            p.end(p.start(*place.down))
        codes.append(code)
        told.append(f"{who} at {task!r}: {code}, {last}")
    p.end(p.start(*place.up))
    well = clusters.status(place.name, directory=place.dir)
    p.end(p.start(*place.down))

    say("\n".join(told))
    assert well["ok"] is True, well
    assert codes.count(0) <= len(codes) // 4
    assert "Traceback" not in "".join(told)
    assert place.processes() == []
    assert not place.dir.exists()


def test_down_recovers_when_it_is_cut_off_at_any_task(place: Place) -> None:
    for who in WHO:
        p.end(p.start(*place.up))
        for task in (
            "Check that the cluster may be destroyed",
            "Stop every process of the cluster",
            "Delete the cluster's directory and prove that nothing is left",
        ):
            code, last = cut_off(place.down, task, who)
            say(f"{who} at {task!r}: {code}, {last}")
            assert "Traceback" not in last
        p.end(p.start(*place.down))

        assert place.processes() == []
        assert not place.dir.exists()


def test_a_port_taken_after_the_check_is_named_and_up_recovers(place: Place) -> None:
    holder = socket.socket()

    def take(task: str) -> None:
        if task == "Write the launcher":
            holder.bind(("127.0.0.1", place.port_base + 1))
            holder.listen()

    options: Any = {"directory": place.dir, "port_base": place.port_base}
    with holder, pytest.raises(ClusterError) as failed:
        clusters.up(place.name, progress=take, **options)
    say(str(failed.value))
    assert "namenode does not run" in str(failed.value)
    assert re.search(r"(?i)port in use|address already in use", str(failed.value))

    clusters.up(place.name, progress=lambda _: None, **options)
    assert clusters.status(place.name, directory=place.dir)["ok"] is True


def test_a_directory_of_somebody_else_is_refused(place: Place) -> None:
    place.dir.mkdir()
    try:
        os.chown(place.dir, 65534, -1)
    except PermissionError:
        pytest.skip("needs the right to give a directory away")

    _, err = p.end(p.start(*place.up), 2)
    os.chown(place.dir, os.getuid(), -1)

    assert "belongs to user id 65534, not to you" in err.splitlines()[-1]


def test_a_directory_that_cannot_be_written_is_named(place: Place) -> None:
    place.dir.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "ro,size=1m", "tmpfs", str(place.dir.parent)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False).returncode != 0:
        pytest.skip("needs the right to mount a file system")
    try:
        _, err = p.end(p.start(*place.up), 2)
    finally:
        subprocess.run(["umount", str(place.dir.parent)], check=True)

    assert f"{place.dir.parent} is not writable" in err.splitlines()[-1]


@pytest.mark.parametrize("victim", ["Maven", "Ansible"])
def test_half_made_jars_are_made_anew(tmp_path: Path, victim: str) -> None:
    variables = {"cluster_dist_cache": str(tmp_path)}

    def kill() -> None:
        maven = h.wait_for(
            lambda: p.processes(
                lambda argv, cwd: cwd.is_relative_to(tmp_path) and argv[0].endswith("java")
            )
        )
        p.kill(maven if victim == "Maven" else ansible_of(os.getpid()))

    def begun(task: str) -> None:
        if task == "Resolve Hadoop's jars":
            killer.start()

    killer = h.thread(kill)
    with pytest.raises(ClusterError) as failed:
        run_playbook("jars", variables, begun)
    killer.join()
    half = list(tmp_path.glob(".making-*"))
    made = run_playbook("jars", variables, lambda _: None)

    say(str(failed.value))
    assert len(str(failed.value).splitlines()) == 1
    assert victim == "Maven" or half
    assert list(tmp_path.glob(".making-*")) == []
    (home,) = (found["home"] for found in made.result("hadoop_jars").values())
    assert len(list(Path(home, "lib").glob("*.jar"))) > 100

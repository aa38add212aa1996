"""Start the command line on the session's cluster, and look into what it wrote."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from mr_jobs.lib.sequencefile import Reader
from pipeline.cluster import Cluster
from pipeline.images import images_at
from pipeline.runs import load_run
from pipeline.stores import HdfsStore, LocalStore, Store

ROOT = Path(__file__).parents[2]


def start(*args: object) -> subprocess.Popen[str]:
    """Start `bin/pipeline`'s Python in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline", *map(str, args)],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(*args: object) -> dict[str, Any]:
    """Run a command with `--json` to its end, and return its result."""
    out, err = end(start(*args, "--json"))
    result: dict[str, Any] = json.loads(out)
    return {**result, "stderr": err}


def end(process: subprocess.Popen[str], code: int = 0) -> tuple[str, str]:
    """Wait for a process; its exit code must be the expected one."""
    out, err = process.communicate(timeout=400)
    assert process.returncode == code, err
    return out, err


def on(cluster: Cluster) -> tuple[object, ...]:
    """Return the options that name a cluster."""
    return ("--name", cluster.name, "--cluster-dir", cluster.dir)


def store_of(run_id: str, cluster: Cluster | None) -> Store:
    """Return where the outputs of a run are."""
    if cluster is None:
        return LocalStore(ROOT / "var" / "runs" / run_id / "work")
    return HdfsStore(cluster.webhdfs_url, cluster.fs_uri, f"/imagenet/runs/{run_id}")


def images_of(run_id: str, cluster: Cluster | None) -> Store:
    """Return where the images of a run are."""
    run = load_run(run_id)
    assert run is not None
    return images_at(run.images, cluster).store


def records(store: Store, name: str) -> list[tuple[object, object]]:
    """Return all records of a directory of SequenceFiles, sorted."""
    found = []
    for file_name in store.files(name):
        with store.open(file_name) as file:
            found += [(r.key, r.value) for r in Reader(file, file_name).records()]
    return sorted(found)


def lines(store: Store, name: str) -> list[bytes]:
    """Return all lines of a directory of text files, sorted."""
    found = []
    for file_name in store.files(name):
        with store.open(file_name) as file:
            found += file.read().splitlines()
    return sorted(found)


def processes(wanted: Callable[[list[str], Path], bool]) -> list[int]:
    """Return the own processes whose argv and working directory satisfy a condition."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        try:
            argv = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
            cwd = (folder / "cwd").readlink()
        except OSError:
            continue
        if wanted(argv, cwd):
            found.append(int(folder.name))
    return found


def tasks(place: Path, script: str) -> list[int]:
    """Return the Python map tasks of a job in the containers of a cluster's directory."""
    return processes(
        lambda argv, cwd: script in argv and "--mapper" in argv and cwd.is_relative_to(place)
    )


def daemon(cluster: Cluster, class_name: str) -> list[int]:
    """Return the processes of a daemon of the cluster."""
    return processes(
        lambda argv, _: (
            f"-Dcluster.id={cluster.id}" in argv
            and any(arg.endswith(f".{class_name}") for arg in argv)
        )
    )


def wait_until_there(find: Callable[[], list[int]], limit_s: float = 300) -> list[int]:
    """Wait until processes are found, and return them."""
    deadline = time.monotonic() + limit_s
    while not (found := find()):
        assert time.monotonic() < deadline, "the process to wait for did not come up"
        time.sleep(0.05)
    return found


def kill(pids: list[int]) -> None:
    """End processes by SIGKILL, if they have not ended meanwhile."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@contextmanager
def forgotten(*run_ids: str) -> Iterator[None]:
    """Remove the traces of runs from var/ and models/saved/ at the end."""
    try:
        yield
    finally:
        for run_id in run_ids:
            if run := load_run(run_id):
                images_at(run.images, None).store.delete("")
            LocalStore(ROOT / "var" / "runs").delete(run_id)
            LocalStore(ROOT / "models" / "saved").delete(run_id)

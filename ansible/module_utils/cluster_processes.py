"""Find and stop the processes of one cluster, by its identity and never by a name.

A process belongs to a cluster when the caller owns it and its command line holds the exact argument
`-Dcluster.id=<id>`, or when its working directory is inside the cluster's directory (the children
of a container whose NodeManager died). Source: /proc, see proc(5).
"""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

TOKEN = "-Dcluster.id="  # noqa: S105  # an argument, not a password
DAEMON = "-Dcluster.daemon="
POLL_S = 0.05
LISTEN = "0A"  # state of a listening socket in /proc/net/tcp


@dataclass(frozen=True)
class Process:
    """One process of the cluster; `started` (clock ticks since boot) tells a reused pid apart."""

    pid: int
    started: int
    daemon: str | None
    argv: tuple[str, ...]

    @property
    def name(self) -> str:
        """Name the process for a message: the daemon, else the program."""
        return self.daemon or Path(self.argv[0] if self.argv else "?").name


def find(cluster_id: str, cluster_dir: str) -> list[Process]:
    """List the running processes of a cluster, without the caller and its ancestors.

    Parameters
    ----------
    cluster_id : identity that every daemon carries in its arguments; must not be empty.
    cluster_dir : absolute directory of the cluster.
    """
    if not cluster_id:
        raise ValueError("an empty cluster id would match nothing, or everything")
    root = os.path.realpath(cluster_dir)
    spared = _ancestors()
    found = []
    for pid in _pids():
        process = None if pid in spared else _inspect(pid, TOKEN + cluster_id, root)
        if process is not None:
            found.append(process)
    return sorted(found, key=lambda process: process.pid)


def stop(processes: list[Process], term_s: float = 3.0, kill_s: float = 5.0) -> list[Process]:
    """End processes: TERM to all at once, wait, KILL to what is left, verify.

    Parameters
    ----------
    term_s, kill_s : seconds to wait after each signal.

    Returns
    -------
    The processes that are still there; empty when all ended.
    """
    left = processes
    for number, limit_s in ((signal.SIGTERM, term_s), (signal.SIGKILL, kill_s)):
        for process in left:
            _signal(process, number)
        deadline = time.monotonic() + limit_s
        left = [process for process in left if is_running(process)]
        while left and time.monotonic() < deadline:
            time.sleep(POLL_S)
            left = [process for process in left if is_running(process)]
        if not left:
            break
    return left


def is_running(process: Process) -> bool:
    """Tell whether the very same process still runs; a zombie does not."""
    stat = _stat(process.pid)
    return stat is not None and stat == ("running", process.started)


def is_listening(address: str, port: int, timeout_s: float = 1.0) -> bool:
    """Tell whether something accepts connections there."""
    with socket.socket() as probe:
        probe.settimeout(timeout_s)
        return probe.connect_ex((address, port)) == 0


def listens(pid: int, port: int) -> bool:
    """Tell whether a process of ours listens on a TCP port, without connecting to it."""
    listening = _listening()
    return any(listening.get(inode) == port for inode in _socket_inodes(pid))


def port_holders() -> dict[int, str]:
    """Map every listening TCP port to `program (pid N)`, or to `another user's process`."""
    inodes = _listening()
    holders = dict.fromkeys(inodes.values(), "another user's process")
    for pid in _pids():
        for inode in _socket_inodes(pid) & inodes.keys():
            holders[inodes[inode]] = f"{_program(pid)} (pid {pid})"
    return holders


def _listening() -> dict[str, int]:
    """Map the inode of every listening TCP socket to its port."""
    inodes: dict[str, int] = {}
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for fields in map(str.split, lines):
            if fields[3] == LISTEN:
                inodes[fields[9]] = int(fields[1].rpartition(":")[2], 16)
    return inodes


def _inspect(pid: int, token: str, root: str) -> Process | None:
    """Return the process if it is the caller's and belongs to the cluster."""
    path = Path("/proc", str(pid))
    try:
        if path.stat().st_uid != os.getuid():
            return None
        argv = tuple(os.fsdecode((path / "cmdline").read_bytes()).split("\0")[:-1])
        cwd = str((path / "cwd").readlink())
    except OSError:  # it ended meanwhile, or is not ours to look at
        return None
    inside = cwd == root or cwd.startswith(root + os.sep)
    stat = _stat(pid)
    if stat is None or stat[0] != "running" or not (token in argv or inside):
        return None
    return Process(pid, stat[1], _daemon(argv) if token in argv else None, argv)


def _stat(pid: int) -> tuple[str, int] | None:
    """Read (`running` or `zombie`, start time) of a pid; None when there is no such process."""
    try:
        text = Path("/proc", str(pid), "stat").read_text()
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()  # the program's name may hold spaces and brackets
    return ("zombie" if fields[0] in "ZX" else "running", int(fields[19]))


def _ancestors() -> set[int]:
    pids, pid = set(), os.getpid()
    while pid > 0:
        pids.add(pid)
        try:
            text = Path("/proc", str(pid), "stat").read_text()
        except OSError:
            break
        pid = int(text.rpartition(")")[2].split()[1])
    return pids


def _signal(process: Process, number: signal.Signals) -> None:
    if is_running(process):
        try:
            os.kill(process.pid, number)
        except ProcessLookupError:
            return


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208


def _socket_inodes(pid: int) -> set[str]:
    """Read the inodes of a process' sockets; none when it is not ours to look at."""
    inodes = set()
    try:
        for descriptor in Path("/proc", str(pid), "fd").iterdir():
            target = str(descriptor.readlink())
            if target.startswith("socket:["):
                inodes.add(target[8:-1])
    except OSError:
        return inodes
    return inodes


def _program(pid: int) -> str:
    try:
        argv = os.fsdecode(Path("/proc", str(pid), "cmdline").read_bytes()).split("\0")
    except OSError:
        return "a process"
    return _daemon(argv) or Path(argv[0]).name or "a process"


def _daemon(argv: Sequence[str]) -> str | None:
    return next((arg[len(DAEMON) :] for arg in argv if arg.startswith(DAEMON)), None)

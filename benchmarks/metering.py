"""Run a program and measure all of it: wall time, CPU and memory of the whole tree of processes.

    python -m benchmarks.metering [--no-group] COMMAND [ARGUMENT …]

prints the `Usage` as JSON. A program's daemons count, too, although nobody waits for them: the
meter is the parent of all orphans below it (a child subreaper) and waits for them. What a parent
that ignores its children's end hides from `wait` is seen by a control group, where one can be made
(as root); without, the processes are looked at twice a second, and the larger sum counts.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from pipeline.process_memory import pss_kib

ROOT = Path(__file__).resolve().parents[1]
_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
_SAMPLE_S = 0.5
_ORPHANS_MAY_TAKE_S = 20.0  # to end by themselves, once the program has
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class Usage(NamedTuple):
    """What a program took.

    Attributes
    ----------
    wall_s : seconds until the program itself ended.
    cpu_s : user and system seconds of all its processes, those of its daemons, too.
    peak_mib : the most memory of all its processes at a time, shared pages counted once (PSS).
    exit_code : the program's; negative for a signal.
    said : the end of its standard error.
    """

    wall_s: float
    cpu_s: float
    peak_mib: float
    exit_code: int
    said: str = ""


def measure(
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    in_group: bool = True,
) -> Usage:
    """Run a command to its end, in the repository's root.

    Parameters
    ----------
    env : variables besides this process's.
    in_group : use a control group, if one can be made.
    """
    meter = [sys.executable, "-m", "benchmarks.metering", *([] if in_group else ["--no-group"])]
    with tempfile.TemporaryFile("w+", errors="replace") as said:
        done = subprocess.run(
            [*meter, *map(str, command)],
            cwd=ROOT,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=said,
            check=True,
        )
        said.seek(max(0, said.seek(0, os.SEEK_END) - 2000))
        return Usage(*json.loads(done.stdout))._replace(said=said.read())


class Group:
    """A control group that counts the CPU seconds of the processes in it; version 1 or 2."""

    def __init__(self) -> None:
        mount = Path("/sys/fs/cgroup")
        version_1 = mount / "cpuacct"
        self._path = (version_1 if version_1.is_dir() else mount) / f"benchmark-{os.getpid()}"
        self._usage = "cpuacct.usage" if version_1.is_dir() else "cpu.stat"

    def add(self, pid: int) -> None:
        """Put a process into the group, and so all those that it starts; 0 is the caller."""
        (self._path / "cgroup.procs").write_text(str(pid))

    def cpu_s(self) -> float:
        """Return the CPU seconds of the group so far."""
        text = (self._path / self._usage).read_text()
        if self._usage == "cpu.stat":
            return int(text.split()[1]) / 1e6  # its first line: usage_usec N
        return int(text) / 1e9

    @classmethod
    @contextlib.contextmanager
    def made(cls) -> Iterator[Group | None]:
        """Make a group for a while; None where that is not possible. It has to be empty in the end.

        Processes that are still in it go back to the group above.
        """
        group = cls()
        try:
            group._path.mkdir()
        except OSError:
            yield None
            return
        try:
            yield group
        finally:
            for pid in (group._path / "cgroup.procs").read_text().split():
                with contextlib.suppress(OSError):
                    (group._path.parent / "cgroup.procs").write_text(pid)
            group._path.rmdir()


class _Sampler(threading.Thread):
    """Looks at the processes below this one: their memory together, and CPU seconds of each."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._over = threading.Event()
        self._cpu_s: dict[int, float] = {}
        self.peak_kib = 0

    def run(self) -> None:
        while not self._over.wait(_SAMPLE_S):
            pids = descendants(os.getpid())
            self._cpu_s |= pids
            self.peak_kib = max(self.peak_kib, sum(map(pss_kib, pids)))

    def stop(self) -> float:
        """Return the CPU seconds that were seen."""
        self._over.set()
        self.join()
        return sum(self._cpu_s.values())


def descendants(root: int) -> dict[int, float]:
    """Return the processes below `root`, and the CPU seconds of each alone."""
    parents: dict[int, int] = {}
    cpu_s: dict[int, float] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended
            fields = stat.read_text(errors="replace").rpartition(")")[2].split()
            pid = int(stat.parent.name)
            parents[pid] = int(fields[1])
            cpu_s[pid] = (int(fields[11]) + int(fields[12])) / _TICKS_PER_S
    below = {root}
    while more := {pid for pid, parent in parents.items() if parent in below} - below:
        below |= more
    return {pid: cpu_s[pid] for pid in below - {root}}


def _run(command: Sequence[str], group: Group | None) -> Usage:
    """Run a command below this process, which gets all orphans; wait for every one."""
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")
    sampler = _Sampler()
    sampler.start()
    began = time.monotonic()
    program = subprocess.Popen(
        command, stdout=sys.stderr, preexec_fn=(lambda: group.add(0)) if group else None
    )
    exit_code = program.wait()
    wall_s = time.monotonic() - began
    _wait_for_orphans()
    seen_s = sampler.stop()
    if group:
        cpu_s = group.cpu_s()
    else:
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu_s = max(children.ru_utime + children.ru_stime, seen_s)
    largest_kib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss  # of a short-lived one
    return Usage(wall_s, cpu_s, max(sampler.peak_kib, largest_kib) / 1024, exit_code)


def _wait_for_orphans() -> None:
    """Wait for what the program left; what does not end by itself is ended."""
    deadline = time.monotonic() + _ORPHANS_MAY_TAKE_S
    with contextlib.suppress(ChildProcessError):
        while True:
            if os.waitpid(-1, os.WNOHANG)[0]:
                continue
            if time.monotonic() > deadline:
                for pid in descendants(os.getpid()):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
            time.sleep(0.02)


def main(arguments: Sequence[str]) -> None:
    """Measure a command and print its usage."""
    without_group = list(arguments[:1]) == ["--no-group"]
    command = arguments[without_group:]
    if not command:
        sys.exit(__doc__)
    with contextlib.nullcontext() if without_group else Group.made() as group:
        print(json.dumps(_run(command, group)))


if __name__ == "__main__":
    main(sys.argv[1:])

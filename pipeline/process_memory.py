"""The memory of programs, seen from outside: of a process and all below it, and of YARN containers.

It is the proportional set size (PSS): a page that n processes share counts as its n-th part in
each, so that the sum is what they take of the machine. Source: /proc, see proc(5).
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from typing import Self

_SAMPLE_S = 0.5
_CONTAINER = re.compile(rb"(?:^|\0)CONTAINER_ID=container_(?:e\d+_)?(\d+_\d+)_")


def descendants(root: int) -> set[int]:
    """Return the processes below `root`."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended
            fields = stat.read_text(errors="replace").rpartition(")")[2].split()
            parents[int(stat.parent.name)] = int(fields[1])
    below = {root}
    while more := {pid for pid, parent in parents.items() if parent in below} - below:
        below |= more
    return below - {root}


def in_containers(application_ids: Collection[str]) -> set[int]:
    """Return this user's processes in the containers of applications, `application_N_N`.

    YARN gives every container its id in the environment, and what it starts inherits it.
    """
    wanted = {name.removeprefix("application_").encode() for name in application_ids}
    found = set()
    for environment in Path("/proc").glob("[0-9]*/environ") if wanted else ():
        with suppress(OSError):  # it has ended, or is somebody else's
            container = _CONTAINER.search(environment.read_bytes())
            if container and container[1] in wanted:
                found.add(int(environment.parent.name))
    return found


def pss_kib(pid: int) -> int:
    """Return a process's proportional set size; 0 when it has ended or is somebody else's."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0


class PeakMemory(threading.Thread):
    """Looks at the memory of a process and all below it twice a second, while it is entered.

    Parameters
    ----------
    pid : the process.
    applications : asked each time for the YARN applications whose containers count, too.
    """

    def __init__(self, pid: int, applications: Callable[[], Collection[str]] = tuple) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self._applications = applications
        self._over = threading.Event()
        self._peak_kib = 0

    @property
    def peak_mib(self) -> float:
        """The most memory of all of them at a time that was seen, MiB."""
        return round(self._peak_kib / 1024, 1)

    def run(self) -> None:
        """Look until it is over."""
        while not self._over.is_set():
            pids = {self._pid} | descendants(self._pid) | in_containers(self._applications())
            self._peak_kib = max(self._peak_kib, sum(map(pss_kib, pids - {os.getpid()})))
            self._over.wait(_SAMPLE_S)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()

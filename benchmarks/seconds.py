"""Say where each second of a run goes: how much of it is Hadoop's programs, how much is our own.

    python -m benchmarks.seconds [--write docs/profile.md] [-- OPTIONS OF FULL]

Runs `bin/pipeline full` and looks into /proc ten times a second at its processes and those of its
cluster. Their CPU time is told by step and kind of process; what a process takes after it was last
looked at is missed, at most a tenth of a second each. `waiting` is the share of the two clocks,
wall time times cores, in which no process of the run computed.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EVERY_S = 0.1
TICKS = os.sysconf("SC_CLK_TCK")
KINDS = ("driver", "ansible", "daemons", "clients", "masters", "task JVMs", "Python tasks")
Seconds = dict[str, float]  # by kind
STEP = re.compile(r"^(\w+): ")


def processes() -> Iterator[tuple[int, str, float]]:
    """Yield the pid, command line and CPU seconds of every process."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                argv = (
                    (folder / "cmdline")
                    .read_bytes()
                    .replace(b"\0", b" ")
                    .decode("utf-8", "replace")
                )
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            yield int(folder.name), argv, (int(fields[11]) + int(fields[12])) / TICKS


def kind_of(argv: str) -> str | None:
    """Return which kind of a run's processes this is; None for one of something else."""
    if "java" in argv.partition(" ")[0]:
        if "-Dcluster.id=" not in argv:
            return None
        if "-Dcluster.daemon=" in argv:
            return "daemons"
        if "MRAppMaster" in argv:
            return "masters"
        return "task JVMs" if "YarnChild" in argv else "clients"
    if "--step-num=" in argv:
        return "Python tasks"
    if "ansible" in argv or "AnsiballZ" in argv:
        return "ansible"
    return "driver" if "-m pipeline full" in argv else None


class Sampler:
    """Add up the CPU seconds of a run by step and kind, from looks at all processes."""

    def __init__(self) -> None:
        self.cpu_s: dict[str, Seconds] = defaultdict(lambda: defaultdict(float))
        self._pending: Seconds = defaultdict(float)
        self._before = {pid: cpu_s for pid, _, cpu_s in processes()}
        self._lock = threading.Lock()

    def look(self) -> None:
        """See what each process took since the last look."""
        with self._lock:
            for pid, argv, cpu_s in processes():
                kind = kind_of(argv)
                if kind:
                    self._pending[kind] += cpu_s - self._before.get(pid, 0.0)
                self._before[pid] = cpu_s

    def book(self, step: str) -> None:
        """Put what was seen since the last booking down to a step."""
        with self._lock:
            for kind, seconds in self._pending.items():
                self.cpu_s[step][kind] += seconds
            self._pending.clear()


def follow(options: list[str]) -> tuple[Sampler, dict[str, float]]:
    """Run `full`; return its CPU seconds, and the wall seconds of each step."""
    sampler, wall_s, over = Sampler(), defaultdict[str, float](float), threading.Event()

    def watch() -> None:
        while not over.wait(EVERY_S):
            sampler.look()

    thread = threading.Thread(target=watch, daemon=True)
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline", "full", *options],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    thread.start()
    began = time.monotonic()
    assert process.stderr is not None
    for line in process.stderr:
        found = STEP.match(line)
        if found:  # what was done before a step's line was done for it
            sampler.book(found.group(1))
            now = time.monotonic()
            wall_s[found.group(1)] += now - began
            began = now
    wall_s["end"] += time.monotonic() - began
    sampler.book("end")
    over.set()
    thread.join()
    if process.wait():
        raise SystemExit("the run failed; its message is above")
    return sampler, dict(wall_s)


def table(sampler: Sampler, wall_s: dict[str, float]) -> Iterator[str]:
    """Yield the lines of a Markdown table."""
    n_cores = os.cpu_count() or 1
    yield f"| step | wall s | {' | '.join(KINDS)} | waiting |"
    yield "| --- |" + " ---: |" * (len(KINDS) + 2)
    for step, seconds in wall_s.items():
        yield _row(step, seconds, sampler.cpu_s[step], n_cores)
    total = {kind: sum(cpu_s[kind] for cpu_s in sampler.cpu_s.values()) for kind in KINDS}
    yield _row("**all**", sum(wall_s.values()), total, n_cores)


def _row(step: str, wall_s: float, cpu_s: Seconds, n_cores: int) -> str:
    taken = " | ".join(f"{cpu_s[kind]:.1f}" for kind in KINDS)
    idle = 1.0 - min(1.0, sum(cpu_s.values()) / max(wall_s * n_cores, 1e-9))
    return f"| {step} | {wall_s:.1f} | {taken} | {idle:.0%} |"


def main() -> None:
    """Print the table, and write it if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the table into a document")
    parser.add_argument("options", nargs="*", help="of `bin/pipeline full`, after --")
    args = parser.parse_args()
    load = os.getloadavg()[0]
    lines = list(table(*follow(args.options)))
    print("\n".join(lines))
    if args.write:
        before, mark, after = args.write.read_text("utf-8").partition(BEGIN)
        if not mark:
            raise SystemExit(f"{args.write} has no line {BEGIN!r}")
        told = f"{os.cpu_count()} cores, load {load:.1f} before."
        rest = after.partition(END)[2]
        made = "\n".join(["", told, "", *lines, ""])
        args.write.write_text(f"{before}{BEGIN}{made}{END}{rest}", "utf-8")


BEGIN, END = "<!-- table -->", "<!-- end of the table -->"

if __name__ == "__main__":
    main()

"""Deploy and destroy again and again, and compare what is on the hosts with what was before.

    python -m benchmarks.cycles [--cycles 30]              on this machine
    python -m benchmarks.cycles --workers 3 [--cycles N]   on hosts of ../shared/lab/hosts.sh

Compared are files, processes, listening ports, mounts, users and network links. On this machine
nothing else may come and go meanwhile; what this program itself needs is left out.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from pipeline import cluster as clusters
from tests.cluster.lab.hosts import TRACES, Traces, differences, lab

PORT_BASE = 28000


def quiet(_: str) -> None:
    """Take a line of progress and drop it."""


def traces_here(work: Path) -> Traces:
    """Look at this machine, without the directory that this program works in."""
    out = subprocess.run([sys.executable, "-c", TRACES], capture_output=True, text=True, check=True)
    found = json.loads(out.stdout)
    found["files"] = [path for path in found["files"] if not path.startswith(str(work))]
    return {"this machine": found}


def cycle(n: int, look: Callable[[], Traces], **options: Any) -> int:  # noqa: ANN401  # of `up`
    """Deploy and destroy so often; print each difference, and return how many there were."""
    before = look()
    ups, downs, found = [], [], 0
    for number in range(1, n + 1):
        began = time.monotonic()
        clusters.up("cycles", progress=quiet, **options)
        ups.append(time.monotonic() - began)
        began = time.monotonic()
        clusters.down("cycles", directory=options["directory"], progress=quiet)
        downs.append(time.monotonic() - began)
        told = differences(before, look())
        found += len(told)
        print(f"{number}: up {ups[-1]:.1f} s, down {downs[-1]:.1f} s, {len(told)} differences")
        for line in told:
            print(f"   {line}", flush=True)
    print(f"{n} times: up {median(ups):.1f} s, down {median(downs):.1f} s, {found} differences")
    return found


def main() -> None:
    """Run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--cycles", type=int, default=30, metavar="N")
    parser.add_argument("--workers", type=int, default=0, metavar="N", help="0: this machine alone")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="benchmark-cycles-") as scratch:
        work = Path(scratch)
        place = work / "cycles"
        if not args.workers:
            options = {"directory": place, "port_base": PORT_BASE}
            sys.exit(bool(cycle(args.cycles, lambda: traces_here(work), **options)))
        names = [f"h{number}" for number in range(1, args.workers + 2)]
        with lab(work / "hosts", len(names)) as hosts:
            inventory = hosts.inventory(work / "hosts.yml", names[0], names[1:])
            found = cycle(
                args.cycles,
                lambda: {name: hosts.traces(name) for name in names},
                directory=place,
                inventory=inventory,
            )
    sys.exit(bool(found))


if __name__ == "__main__":
    main()

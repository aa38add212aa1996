"""Time the whole pipeline as its user runs it: the figures of README.

    .venv/bin/python -m benchmarks.pipeline [--data DIR]

Prints one row a command: wall seconds and what came out. Needs nothing else to run on the machine;
the jars are resolved beforehand, so that no download is in the figures.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
NAME = "benchmark"


def timed(*args: str) -> tuple[float, dict[str, Any]]:
    """Run a command of bin/pipeline; return its wall seconds and its result."""
    began = time.monotonic()
    done = subprocess.run(
        [ROOT / "bin" / "pipeline", *args, "--json"],
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        check=True,
        text=True,
    )
    return time.monotonic() - began, json.loads(done.stdout)


def rows(data: Path | None, port_base: int) -> Iterator[tuple[str, float, str]]:
    """Yield (command, seconds, outcome)."""
    cluster = ("--name", NAME, "--port-base", str(port_base))
    timed("up", *cluster)  # the jars, and the archives of classes
    timed("down", "--name", NAME, "--yes", NAME)
    for command in ("up", "up"):
        seconds, result = timed(command, *cluster)
        yield command, seconds, f"changed={result['changed']}"
    seconds, result = timed("down", "--name", NAME, "--yes", NAME)
    yield "down", seconds, "nothing left"
    sources: list[tuple[str, tuple[str, ...]]] = [("synthetic sample", ())]
    if data is not None:
        sources.append((data.name, ("--data", str(data))))
    for label, source in sources:
        for runner in ("hadoop", "local", "inline"):
            options = cluster if runner == "hadoop" else ()
            seconds, result = timed("full", *source, "--runner", runner, *options)
            outcome = f"top-1 error {result['top1_error']:.1%}, top-5 {result['top5_error']:.1%}"
            yield f"full --runner {runner}, {label}", seconds, outcome


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Time the whole pipeline.")
    parser.add_argument("--data", type=Path, help="a data set besides the sample")
    parser.add_argument("--port-base", type=int, default=27000)
    args = parser.parse_args()
    load = os.getloadavg()[0]
    print(f"{os.cpu_count()} cores, Python {platform.python_version()}, load {load:.1f} before")
    print("| command | seconds | outcome |\n| --- | --- | --- |")
    for command, seconds, outcome in rows(args.data, args.port_base):
        print(f"| {command} | {seconds:.1f} | {outcome} |", flush=True)


if __name__ == "__main__":
    main()

"""Fuzz one target for a number of executions or seconds; what it finds is kept as a test.

    python -m tests.fuzz.run TARGET [--runs N | --seconds S] [--jobs J]

An input that crashes, takes over 5 s or over 1 GiB ends the run with exit code 1 and is written to
tests/fuzz/findings/TARGET/, which `tests/fuzz/test_findings.py` replays. Inputs that reach new code
are kept in var/fuzz/TARGET/ and are where the next run begins. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from tests.fuzz.mutators import MAX_BYTES
from tests.fuzz.seeds import seeds_of
from tests.fuzz.targets import TARGETS

ROOT = Path(__file__).parents[2]
FINDINGS = Path(__file__).parent / "findings"
RSS_LIMIT_MB = 1024
TIMEOUT_S = 5
_STAT = re.compile(r"^stat::(\w+):\s+(\d+)")
_SHOWN = re.compile(r"^#\d+\s+(?:INITED|pulse|DONE|RELOAD)")
_LAST_LINES = 60


@dataclass
class Outcome:
    """What became of one process: libFuzzer's statistics and its last words."""

    code: int = 0
    stats: dict[str, int] = field(default_factory=dict)
    last: deque[str] = field(default_factory=lambda: deque(maxlen=_LAST_LINES))


def fuzz(target: str, corpus: Path, options: list[str], outcome: Outcome) -> None:
    """Run one process to its end."""
    command = [sys.executable, "-m", "tests.fuzz.engine", target, *options, str(corpus)]
    environment = {**os.environ, "OPENCV_LOG_LEVEL": "OFF", "PYTHONWARNINGS": "ignore"}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        assert process.stdout
        for raw in process.stdout:
            line = raw.decode("utf-8", "replace").rstrip()
            if stat := _STAT.match(line):
                outcome.stats[stat.group(1)] = int(stat.group(2))
            elif not line.startswith("#"):
                outcome.last.append(line)
            elif _SHOWN.match(line):
                sys.stderr.write(f"{line}\n")
    outcome.code = process.returncode


def main() -> int:
    """Fuzz, and say what came of it; 1 when something was found."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--runs", type=int, default=-1, help="executions of each job")
    parser.add_argument("--seconds", type=int, default=0, help="seconds (default: no limit)")
    parser.add_argument("--jobs", type=int, default=1, help="processes side by side")
    parser.add_argument("--corpus", type=Path, help="instead of var/fuzz/TARGET")
    args = parser.parse_args()
    corpus = args.corpus or ROOT / "var" / "fuzz" / args.target
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds_of(args.target)):
        (corpus / f"seed-{number:03}").write_bytes(seed)
    findings = FINDINGS / args.target
    findings.mkdir(parents=True, exist_ok=True)
    before = set(findings.iterdir())
    options = [
        f"-runs={args.runs}",
        f"-max_total_time={args.seconds}",
        f"-max_len={MAX_BYTES}",
        f"-rss_limit_mb={RSS_LIMIT_MB}",
        f"-timeout={TIMEOUT_S}",
        f"-artifact_prefix={findings}/",
        "-print_final_stats=1",
        "-reload=0" if args.jobs == 1 else "-reload=60",
    ]
    start = time.monotonic()
    outcomes = [Outcome() for _ in range(args.jobs)]
    threads = [
        threading.Thread(target=fuzz, args=(args.target, corpus, options, outcome))
        for outcome in outcomes
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.monotonic() - start
    for outcome in outcomes:
        if outcome.code:
            sys.stderr.write("\n".join([*outcome.last, ""]))
    executions = sum(outcome.stats.get("number_of_executed_units", 0) for outcome in outcomes)
    result = {
        "target": args.target,
        "executions": executions,
        "seconds": round(seconds, 1),
        "executions_per_s": round(executions / seconds),
        "peak_rss_mb": max(outcome.stats.get("peak_rss_mb", 0) for outcome in outcomes),
        "corpus": len(list(corpus.iterdir())),
        "findings": sorted(path.name for path in set(findings.iterdir()) - before),
    }
    sys.stdout.write(json.dumps(result) + "\n")
    return int(any(outcome.code for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())

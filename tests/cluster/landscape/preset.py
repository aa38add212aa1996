"""The command line on a cluster in a process of its own, with histories and labs of the test."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pexpect

from pipeline.cluster import Cluster
from tests.cluster.pipelines import ROOT, on

_MAIN = """
import sys
from pathlib import Path
from pipeline import lab_files
from pipeline.shells import console
console.HISTORIES = Path(sys.argv[1], "shell")
lab_files.LABS = Path(sys.argv[1], "lab")
from pipeline.__main__ import main
sys.exit(main(sys.argv[2:]))
"""


def command(place: Path, cluster: Cluster, *args: object) -> list[str]:
    """Return how to start a command on a cluster, with its own files in a directory."""
    words = [*args, *on(cluster)]
    return [sys.executable, "-P", "-c", _MAIN, str(place), *map(str, words)]


def ask(
    place: Path, cluster: Cluster, *args: object, given: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, with a pipe for its input."""
    return subprocess.run(
        command(place, cluster, *args),
        cwd=ROOT, input=given, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


def talk(place: Path, cluster: Cluster, *args: object) -> pexpect.spawn:
    """Start a command on a terminal."""
    program, *words = command(place, cluster, *args)
    return pexpect.spawn(
        program, words, cwd=ROOT, encoding="utf-8", timeout=120, dimensions=(50, 200),
        env={**os.environ, "IPY_TEST_SIMPLE_PROMPT": "1"},  # IPython without colours
    )  # fmt: skip


def leave(child: pexpect.spawn) -> int | None:
    """Type Ctrl-D until it ends: what is typed before it asks may be lost; return the exit code."""
    for _ in range(60):
        child.sendeof()
        if child.expect([pexpect.EOF, pexpect.TIMEOUT], timeout=2) == 0:
            break
    child.close()
    code: int | None = child.exitstatus
    return code

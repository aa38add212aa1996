"""A copy of bin/ on a made-up machine whose Python, Java and apt-get are small shell scripts.

Installing packages in a test is not acceptable, so what bin/setup decides is tested here with
fakes that log how they were called. The real thing runs whenever a fresh clone runs `bin/check`.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
REAL_TOOLS = (
    *(
        "bash",
        "cat",
        "chmod",
        "cp",
        "cut",
        "date",
        "dirname",
        "env",
        "flock",
        "grep",
        "head",
        "mkdir",
    ),
    *("mktemp", "mv", "readlink", "rm", "sed", "sha256sum", "touch"),
)
# What `python -m venv DIR` leaves: a python in DIR/bin, here one that agrees to everything.
WORKING_PYTHON = """case "$*" in
  "-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
  -V) echo Python 3.11.7 ;;
esac"""


@dataclass
class Machine:
    """A machine with only the programs it was given, and a checkout of bin/ on it."""

    home: Path

    @property
    def repo(self) -> Path:
        return self.home / "repo"

    @property
    def tools(self) -> Path:
        return self.home / "tools"

    def give(self, name: str, script: str = "", folder: Path | None = None) -> None:
        """Put a program on the machine; each call of it is a line of `calls`."""
        path = (folder or self.tools) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_text(f'#!/bin/bash\necho "{name} $*" >>"{self.home}/calls"\n{script}\n')
        path.chmod(0o755)

    def give_python(self, name: str, before: str = "") -> None:
        """Put a Python on the machine that runs `before` first."""
        self.give(name, f"{before}\n{WORKING_PYTHON}")

    def give_magick(self) -> None:
        """Let the machine have ImageMagick's library."""
        self.give("ldconfig", "echo '\tlibMagickWand-6.Q16.so.6 (libc6,x86-64) => /lib/there'")

    def give_java(self, version: str = "17.0.15") -> None:
        self.give("java", f"echo 'openjdk version \"{version}\" 2025-04-15' >&2")

    def take(self, name: str) -> None:
        (self.tools / name).unlink()

    @property
    def calls(self) -> list[str]:
        """Every call so far, except the questions what a program is and whether it works."""
        log = self.home / "calls"
        lines = log.read_text().splitlines() if log.exists() else []
        return [
            x for x in lines if not x.startswith(("java ", "id ", "ldconfig ")) and " -c " not in x
        ]

    def forget_calls(self) -> None:
        (self.home / "calls").unlink(missing_ok=True)

    def start(
        self,
        command: str,
        *args: str,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.Popen[str]:
        """Start bin/`command` on the machine, with nothing of this machine's environment."""
        return subprocess.Popen(
            [self.repo / "bin" / command, *args],
            cwd=cwd or self.home,
            env={"PATH": str(self.tools), "HOME": str(self.home), **(env or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(
        self,
        command: str,
        *args: str,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        stdin: str = "",
    ) -> subprocess.CompletedProcess[str]:
        """Run bin/`command` to its end."""
        process = self.start(command, *args, cwd=cwd, env=env)
        out, err = process.communicate(stdin, timeout=30)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A root user's machine with a good Python, Java 17, Maven, ImageMagick; its apt-get fails."""
    made = Machine(tmp_path)
    shutil.copytree(ROOT / "bin", made.repo / "bin")
    (made.repo / "requirements.txt").write_text("setuptools==80.10.2 \\\n    --hash=sha256:0\n")
    (made.repo / "setup.py").write_text("setup()\n")
    made.tools.mkdir()
    for tool in REAL_TOOLS:
        made.tools.joinpath(tool).symlink_to(shutil.which(tool) or os.devnull)
    made.give_python("python3.11")
    made.give_java()
    made.give_magick()
    made.give("chromium")
    made.give("mvn")
    made.give("apt-get", "exit 100")
    made.give("id", "echo 0")
    return made

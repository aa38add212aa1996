"""A PostgreSQL of its own for a test: a directory and a loopback port, both gone afterwards."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

USER, NAME = "images", "images"
_BINARIES = "/usr/lib/postgresql"


@dataclass(frozen=True)
class Postgres:
    """A server; `password_file` holds the password of its one user."""

    programs: Path
    port: int
    password: str
    password_file: Path

    def sql(self, script: str) -> list[list[str]]:
        """Run statements; return the rows of the answers, NULL as the sign for it."""
        done = subprocess.run(
            [
                *(str(self.programs / "psql"), "-h", "127.0.0.1", "-p", str(self.port)),
                *("-U", USER, "-d", NAME, "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"),
                *("-F", "\x1f", "-R", "\x1e", "-P", "null=∅"),
            ],
            input=script,
            env={"PGPASSWORD": self.password, "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        rows = done.stdout.rstrip("\n").split("\x1e")
        return [row.split("\x1f") for row in rows if row]


@contextmanager
def postgres(password_file: Path) -> Iterator[Postgres]:
    """Start a server, as another user where this is root, which it refuses to run as."""
    programs = _programs()
    password = secrets.token_hex(16)
    password_file.touch(mode=0o600)
    password_file.write_text(f"{password}\n")
    home = Path(tempfile.mkdtemp(prefix="test-postgres-"))
    account = pwd.getpwnam("postgres" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name)
    given = home / "password"  # initdb may not open a pipe of another user's
    given.touch(mode=0o600)
    given.write_text(password)
    for path in (home, given):
        os.chown(path, account.pw_uid, account.pw_gid)

    def call(program: str, *args: str) -> None:
        """Run one of PostgreSQL's programs; what it starts holds none of this process' files."""
        with tempfile.TemporaryFile("w+") as said:
            done = subprocess.run(
                [programs / program, "-D", home / "data", *args],
                stdin=subprocess.DEVNULL,
                cwd=home,
                user=account.pw_uid,
                group=account.pw_gid,
                extra_groups=[] if os.getuid() == 0 else None,
                stdout=said,
                stderr=said,
                text=True,
                check=False,
            )
            said.seek(0)
            assert done.returncode == 0, said.read()

    port = _free_port()
    options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={home}"
    try:
        call(
            "initdb",
            *("-U", USER, "-A", "scram-sha-256", f"--pwfile={given}", "-E", "UTF8"),
            *("--locale=C.UTF-8", "--no-sync"),
        )
        call("pg_ctl", "-w", "-l", str(home / "log"), "-o", f"{options} -c fsync=off", "start")
        try:
            server = Postgres(programs, port, password, password_file)
            subprocess.run(
                [programs / "createdb", "-h", "127.0.0.1", "-p", str(port), "-U", USER, NAME],
                env={"PGPASSWORD": password},
                check=True,
            )
            yield server
        finally:
            call("pg_ctl", "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(home)


def _programs() -> Path:
    found = sorted(Path(_BINARIES).glob("*/bin/initdb"))
    if found:
        return found[-1].parent
    if on_path := shutil.which("initdb"):
        return Path(on_path).resolve().parent
    pytest.skip("PostgreSQL's programs are not here (Debian: postgresql)")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

"""A server of H2O's for one training: a process of its own on loopback, gone when that is over.

It asks for a name and a password that only this process knows. The REST API of H2O can read files
and load code, so an open one would be every local user's way to this account: CVE-2023-6016 and
CVE-2026-3960 are of that kind. It has no second port for the other nodes of a cluster, looks for
none, and has no web interface.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import requests

from mr_jobs.lib.errors import ClusterError, ConfigError

HOST = "127.0.0.1"
LOGIN, OUTPUT = "login.properties", "output.txt"
_USER = "pipeline"
# Its own list without hidden directories: a result that is not complete is in one, and whole
# checkouts can be.
_UNREADABLE = "{/bin/*,/etc/*,/var/*,/usr/*,/proc/*}"
_TRIES = 5  # another program can take the port between the look and the start
_START_LIMIT_S = 120
_STOP_LIMIT_S = 10
_POLL_S = 0.1
_LOG_LINES = 3
_PR_SET_PDEATHSIG = 1  # of prctl(2)


@dataclass(frozen=True)
class Server:
    """A running server.

    `folder` is its own, with all that it writes; `url` has no slash at its end.
    """

    process: subprocess.Popen[bytes]
    folder: Path
    url: str
    user: str
    password: str


@contextmanager
def running(folder: Path, token: str, memory_mb: int, n_threads: int) -> Iterator[Server]:
    """Have a server for the length of a `with` block, whatever happens in it.

    Parameters
    ----------
    folder : becomes the directory of all that the server writes; removed at the end.
    token : what the server's process is known by, in its arguments.
    memory_mb : its heap, in MiB.
    n_threads : how many threads compute.

    Raises
    ------
    ConfigError
        There is no Java.
    ClusterError
        The server did not start.
    """
    java = find_java()
    shutil.rmtree(folder, ignore_errors=True)  # of a pipeline that was killed
    folder.mkdir(parents=True, mode=0o700)
    try:
        with _started(java, folder, token, memory_mb, n_threads) as server:
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _started(
    java: Path, folder: Path, token: str, memory_mb: int, n_threads: int
) -> Iterator[Server]:
    password = secrets.token_urlsafe(24)
    write_login(folder, password)
    (folder / "tmp").mkdir()
    for left in reversed(range(_TRIES)):
        port = free_port()
        process = _start([str(java), *arguments(folder, token, memory_mb, n_threads, port)], folder)
        server = Server(process, folder, f"http://{HOST}:{port}", _USER, password)
        try:
            if _is_up(server):
                yield server
                return
        finally:
            _end(process)
        if not left or "ports" not in _last_lines(folder):
            raise ClusterError(
                f"H2O did not start: {_last_lines(folder) or 'it said nothing'}; see that Java 17 "
                "and memory are there, and run the same command again"
            )


def find_java() -> Path:
    """Return the program java.

    Raises
    ------
    ConfigError
        There is none.
    """
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=f"{home}/bin" if home else None)
    if found is None:
        raise ConfigError(
            "H2O needs Java 17, and there is no java "
            f"{f'in JAVA_HOME={home}' if home else 'on PATH'}; `bin/setup` installs it"
        )
    return Path(found)


def jar() -> Path:
    """Return the file that the server is in: the package h2o brings it."""
    import h2o

    return Path(h2o.__file__).parent / "backend" / "bin" / "h2o.jar"


def arguments(
    folder: Path, token: str, memory_mb: int, n_threads: int, port: int, server: Path | None = None
) -> list[str]:
    """Return what java is told: where to listen, what to use, and not to look around.

    Parameters
    ----------
    port : of the REST API.
    server : the jar; by default that of the package.
    """
    return [
        f"-Xmx{memory_mb}m",
        "-XX:+ExitOnOutOfMemoryError",  # else it would hang
        "-XX:-UsePerfData",  # no file in /tmp
        f"-Djava.io.tmpdir={folder / 'tmp'}",
        f"-Dpipeline.token={token}",
        "-Dsys.ai.h2o.ext.core.toggle.XGBoost=False",  # it unpacks 157 MB, and is not used
        *("-jar", str(server or jar())),
        *("-name", f"pipeline-{secrets.token_hex(8)}"),
        *("-ip", HOST, "-web_ip", HOST, "-port", str(port)),
        *("-disable_net", "-disable_flow"),
        *("-file_deny_glob", _UNREADABLE),
        *("-nthreads", str(n_threads)),
        *("-ice_root", str(folder / "ice"), "-log_dir", str(folder / "log")),
        *("-log_level", "WARN"),
        *("-hash_login", "-login_conf", str(folder / LOGIN)),
    ]


def write_login(folder: Path, password: str) -> None:
    """Write what the server checks others by; nobody else can read it.

    The password's hash is Jetty's MD5: without salt, but of 192 random bits there is no list.
    """
    digest = hashlib.md5(password.encode(), usedforsecurity=False).hexdigest()
    path = folder / LOGIN
    path.touch(mode=0o600)
    path.write_text(f"{_USER}: MD5:{digest}\n", "utf-8")


def free_port() -> int:
    """Find a port of the loopback address that is free."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _start(command: list[str], folder: Path) -> subprocess.Popen[bytes]:
    """Start it in a session of its own, so that Ctrl-C ends it by way of this process alone."""
    with (folder / OUTPUT).open("wb") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            start_new_session=True,
            preexec_fn=_die_with_parent(),
        )


def _die_with_parent() -> Callable[[], None]:
    """Return what makes a child end when its parent is killed and can end nothing any more."""
    prctl = ctypes.CDLL(None).prctl  # before the fork

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    return ask


def _is_up(server: Server) -> bool:
    """Wait until the server answers; False when it has ended."""
    limit = time.monotonic() + _START_LIMIT_S
    with requests.Session() as session:
        session.trust_env = False
        session.auth = (server.user, server.password)
        while server.process.poll() is None:
            with suppress(requests.RequestException):
                if session.get(f"{server.url}/3/Cloud", timeout=5).ok:
                    return True
            if time.monotonic() > limit:
                raise ClusterError(
                    f"H2O did not answer within {_START_LIMIT_S} s: {_last_lines(server.folder)}"
                )
            with suppress(subprocess.TimeoutExpired):
                server.process.wait(_POLL_S)
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    """End it, and do not come back before it is gone; `process` is known by being our child."""
    process.terminate()
    try:
        process.wait(_STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _last_lines(folder: Path) -> str:
    """Return the last lines that the server wrote."""
    lines = (folder / OUTPUT).read_text("utf-8", errors="replace").split("\n")
    return " | ".join([line.strip() for line in lines if line.strip()][-_LOG_LINES:])

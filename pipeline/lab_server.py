"""Start JupyterLab for a cluster, wait until it answers, and end it with all its kernels."""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import requests

from mr_jobs.lib.errors import ClusterError, ConfigError
from pipeline.lab_files import server_infos, write_token

_START_S = 60
_STOP_S = 20
_POLL_S = 0.1
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


class Lab(NamedTuple):
    """A notebook server that answers: its address, what opens it, and its process."""

    url: str
    token: str
    process: subprocess.Popen[bytes]

    @property
    def link(self) -> str:
        """The address to open in a browser."""
        return f"{self.url}lab?token={self.token}"


@contextmanager
def running_lab(server: Path, work: Path, variables: dict[str, str], port: int) -> Iterator[Lab]:
    """Run JupyterLab during a block, on the loopback address alone, for who has its token.

    Parameters
    ----------
    server : the private directory of its settings, as `lab_files.write_kernel` made it.
    work : the directory that it shows.
    variables : of its environment, beside this process' own.
    port : the first to try; 50 more are tried.

    Raises
    ------
    ConfigError
        Another one runs for this cluster, or it does not start.
    """
    with _alone(server):
        token_file = write_token(server)
        _write_settings(server, work, port)
        log = server / "log"
        with log.open("wb") as file:
            log.chmod(0o600)
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "jupyterlab"],
                cwd=work,
                env={**os.environ, **variables, "JUPYTER_TOKEN_FILE": str(token_file)},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for us: it would ask on a terminal
                preexec_fn=_end_with_parent,  # no threads yet
            )
        token = token_file.read_text()
        url = ""
        try:
            url = _wait(process, server, log)
            yield Lab(url, token, process)
        finally:
            _stop(process, url, token)
            token_file.unlink(missing_ok=True)


def _write_settings(server: Path, work: Path, port: int) -> None:
    """Write Jupyter's settings: nothing from outside this machine, nothing told to anybody."""
    folder = server / "config"
    folder.mkdir(mode=0o700, exist_ok=True)
    settings = {
        "ServerApp": {
            "ip": "127.0.0.1",
            "port": port,
            "port_retries": 50,
            "open_browser": False,
            "root_dir": str(work),
            "allow_root": os.geteuid() == 0,
        },
        "KernelSpecManager": {"ensure_native_kernel": False, "allowed_kernelspecs": ["python3"]},
        "LabApp": {
            "news_url": None,
            "check_for_updates_class": "jupyterlab.NeverCheckForUpdate",
            "extension_manager": "readonly",
        },
    }
    (folder / "jupyter_server_config.json").write_text(json.dumps(settings, indent=1), "utf-8")
    (folder / "labconfig").mkdir(mode=0o700, exist_ok=True)
    in_browser = {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false"}}
    overrides = folder / "labconfig" / "default_setting_overrides.json"
    overrides.write_text(json.dumps(in_browser, indent=1), "utf-8")


@contextmanager
def _alone(server: Path) -> Iterator[None]:
    """Let one notebook server at a time use a directory; the lock ends with the process."""
    with (server / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            where = " at " + ", ".join(str(info["url"]) for info in server_infos(server))
            raise ConfigError(
                f"JupyterLab of this cluster runs already{where}; its token is in {server}/token"
            ) from error
        yield


def _end_with_parent() -> None:
    """Ask the kernel to end the server when this process is gone, even by SIGKILL."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _wait(process: subprocess.Popen[bytes], server: Path, log: Path) -> str:
    """Return the address of the server, as soon as it answers."""
    deadline = time.monotonic() + _START_S
    while process.poll() is None and time.monotonic() < deadline:
        for info in server_infos(server):
            if info.get("pid") == process.pid and _answers(str(info["url"])):
                return str(info["url"])
        time.sleep(_POLL_S)
    last = (log.read_text("utf-8", "replace").strip().splitlines() or ["it says nothing"])[-1]
    raise ConfigError(f"JupyterLab did not start ({last}); see {log}")


def _answers(url: str) -> bool:
    with suppress(requests.RequestException):
        return _session().get(f"{url}api", timeout=1).ok
    return False


def _session() -> requests.Session:
    session = requests.Session()
    session.trust_env = False  # it is never behind the user's proxy
    return session


def _stop(process: subprocess.Popen[bytes], url: str, token: str) -> None:
    """End the server, which ends its kernels; by force if it takes too long."""
    with suppress(requests.RequestException):
        if url and process.poll() is None:
            header = {"Authorization": f"token {token}"}
            _session().post(f"{url}api/shutdown", headers=header, timeout=_STOP_S)
    for force in (None, signal.SIGTERM, signal.SIGKILL):
        if process.poll() is None and (force or not url):
            process.send_signal(force or signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_S)
            return
    raise ClusterError(f"JupyterLab, process {process.pid}, does not end")

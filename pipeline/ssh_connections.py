"""Keep ssh's shared connections of one playbook run together, and close them at its end."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

_CLOSE_S = 5


@contextmanager
def ssh_connections() -> Iterator[dict[str, str]]:
    """Give Ansible a directory for its sockets, by environment variables; none is open afterwards.

    The directory's name is short, since a socket's may have 107 bytes. Source: ControlPath and
    `-O exit` of ssh(1); ControlPersist would keep the processes for a minute.
    """
    with TemporaryDirectory(prefix="ssh-") as folder:
        try:
            yield {"ANSIBLE_SSH_CONTROL_PATH_DIR": folder}
        finally:
            for path in Path(folder).iterdir():
                _close(path)


def _close(path: Path) -> None:
    try:
        subprocess.run(
            ["ssh", "-O", "exit", "-o", f"ControlPath={path}", "host"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_CLOSE_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return  # its process ends by itself after ControlPersist

"""Files for one pair of eyes: written whole, refused when others can read them, overwritten."""

from __future__ import annotations

import os
from pathlib import Path

from mr_jobs.lib.errors import ConfigError


def write_private(path: Path, content: bytes) -> None:
    """Write a file of mode 0600, whole or not at all."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    fresh.replace(path)


def read_private(path: Path) -> bytes:
    """Read a file that nobody else can read.

    Raises
    ------
    ConfigError : it is not there, or others can read it.
    """
    check_private(path)
    return path.read_bytes()


def check_private(path: Path) -> None:
    """Refuse a secret's file that is missing, another user's, or open to others."""
    try:
        status = path.stat()
    except OSError as error:
        raise ConfigError(
            f"{path} is missing or cannot be read: {error.strerror}; it belongs to the cluster's "
            "credentials"
        ) from error
    if status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise ConfigError(
            f"{path} can be read by others: `chmod 600 {path}`, and rotate what it keeps"
        )


def shred(path: Path) -> None:
    """Overwrite a file with random bytes, on the disk, and remove it."""
    size = path.stat().st_size
    with path.open("r+b", buffering=0) as file:
        file.write(os.urandom(size))
        os.fsync(file.fileno())
    path.unlink()

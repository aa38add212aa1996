"""Write files that only their owner may read, and overwrite them before they are removed."""

from __future__ import annotations

import os
from pathlib import Path


def keytab_name(principal: str) -> str:
    """Name the file that holds the key of a principal alone."""
    return f"{principal.replace('/', '@')}.keytab"


def write_private(path: Path, content: bytes) -> None:
    """Write a file of mode 0600, whole or not at all."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    fresh.replace(path)


def shred(path: Path) -> None:
    """Overwrite a file with random bytes, on the disk, and remove it; a link is only removed.

    A disk that writes anew elsewhere (flash, copy-on-write) may keep the old bytes for a while.
    """
    if path.is_file() and not path.is_symlink():
        size = path.stat().st_size
        with path.open("r+b", buffering=0) as file:
            file.write(os.urandom(size))
            os.fsync(file.fileno())
    path.unlink()


def shred_tree(root: Path) -> int:
    """Shred every file below a directory, and remove the directory; return how many there were."""
    paths = sorted(root.rglob("*"), reverse=True) if root.is_dir() else []
    files = [path for path in paths if path.is_symlink() or not path.is_dir()]
    for path in files:
        shred(path)
    for path in paths:
        if path not in files:
            path.rmdir()
    if root.is_dir():
        root.rmdir()
    return len(files)

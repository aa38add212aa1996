"""Search what a deployment and a run leave for the values of a cluster's secrets."""

from __future__ import annotations

import base64
import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote_from_bytes

from pipeline.cluster import Cluster
from pipeline.credentials import Credentials, password_file

PUBLIC = ("authority",)  # a certificate
KEY_BYTES = 32  # of AES-256; a keytab's last field but for 4 bytes of version, if there
SAMPLE_S = 0.05
CHUNK = 1 << 22


def secret_values(cluster: Cluster) -> dict[str, bytes]:
    """Collect every secret value of a cluster: those of the vault, and each principal's key."""
    credentials = Credentials(cluster.name, cluster.dir)
    found = {
        name: value.encode()
        for name, value in credentials.secrets().items()
        if name not in PUBLIC and "BEGIN" not in value
    }
    pem = credentials.secrets()["authority_key"]
    found["authority_key"] = base64.b64decode("".join(pem.splitlines()[1:-1]))[-64:]
    found["vault_password"] = password_file().read_bytes().strip()
    for path in (cluster.dir / "secrets" / "kdc" / "keytabs").glob("*.keytab"):
        found[f"key of {path.stem}"] = key_of(path.read_bytes())
    return found


def key_of(keytab: bytes) -> bytes:
    """Return the key in a keytab of one entry: 2 bytes of length, then the key, near the end."""
    marker = KEY_BYTES.to_bytes(2)
    at = keytab.rindex(marker, 0, len(keytab) - KEY_BYTES)
    return keytab[at + 2 : at + 2 + KEY_BYTES]


def forms(value: bytes) -> set[bytes]:
    """Return how a value may be written: as it is, in base64 at any offset, in hex, in a URL."""
    found = {value, value.hex().encode(), value.hex().upper().encode()}
    found.add(quote_from_bytes(value, safe="").encode())
    for shift in range(3):  # within something longer, the digits depend on where it begins
        whole = base64.b64encode(bytes(shift) + value)
        inner = whole[(shift * 8 + 5) // 6 : len(whole) - 4]
        found |= {inner, inner.replace(b"+", b"-").replace(b"/", b"_")}
    return {form for form in found if len(form) >= 16}


def leaks(values: dict[str, bytes], texts: Iterable[tuple[str, bytes]]) -> set[tuple[str, str]]:
    """Return (name of the secret, place) for each secret in a text."""
    needles = [(name, form) for name, value in values.items() for form in forms(value)]
    return {(name, place) for place, text in texts for name, form in needles if form in text}


def files(*roots: Path, without: Iterable[Path] = ()) -> Iterator[tuple[str, bytes]]:
    """Yield (path, content) of all files below some directories; large ones in parts."""
    spared = tuple(without)
    for root in roots:
        for path in root.rglob("*"):
            if path.is_symlink() or not path.is_file():
                continue
            if any(path.is_relative_to(each) for each in spared):
                continue
            yield from _parts(path)


def _parts(path: Path) -> Iterator[tuple[str, bytes]]:
    try:
        with path.open("rb") as file:
            before = b""
            while part := file.read(CHUNK):
                yield str(path), before + part
                before = part[-512:]  # a value may lie across two parts
    except OSError:  # a log that was rotated meanwhile
        return


@contextmanager
def watched_processes() -> Iterator[dict[tuple[str, str], bytes]]:
    """Collect arguments and environments of all this user's processes while the block runs."""
    seen: dict[tuple[str, str], bytes] = {}
    over = threading.Event()

    def watch() -> None:
        while not over.wait(SAMPLE_S):
            for pid in filter(str.isdigit, os.listdir("/proc")):  # noqa: PTH208
                for name in ("cmdline", "environ"):
                    try:
                        seen[f"/proc/{pid}", name] = Path("/proc", pid, name).read_bytes()
                    except OSError:
                        continue

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()

"""What somebody who forges a saved model writes into its directory."""

from __future__ import annotations

import hashlib
import io
import json
import os
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np


class Payload:
    """What leaves a file behind where it is unpickled."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.place),)


def put(run_dir: Path, name: str, content: bytes) -> None:
    """Replace a file, and its hash, as who forges a model does."""
    (run_dir / name).write_bytes(content)
    manifest = json.loads((run_dir / "manifest.json").read_text())
    manifest["files"][name] = {"sha256": hashlib.sha256(content).hexdigest()}
    (run_dir / "manifest.json").write_text(json.dumps(manifest))


def edit(run_dir: Path, name: str, change: Callable[[Any], None]) -> None:
    value = json.loads((run_dir / name).read_text())
    change(value)
    put(run_dir, name, json.dumps(value).encode())


def npz(arrays: dict[str, Any], **options: Any) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", **options) as archive:
        for name, array in arrays.items():
            content = array
            if not isinstance(array, bytes):
                member = io.BytesIO()
                np.lib.format.write_array(member, np.asanyarray(array), allow_pickle=True)
                content = member.getvalue()
            archive.writestr(f"{name}.npy", content)
    return file.getvalue()


def claiming(shape: str, descr: str = "'<f8'") -> bytes:
    """Write an array whose header claims what is not there."""
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}".encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header

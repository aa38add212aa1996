"""The manifest of a saved run: what files it has, and their hashes.

It may be a stranger's: its names stay in the directory, and only plain files are read.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mr_jobs.lib.errors import DataError
from mr_jobs.lib.plain_files import open_plain, parse_json, read_plain, write_new
from mr_jobs.model_file import MAX_MODEL_BYTES

MODEL, MODEL_INFO, MANIFEST = "model.joblib", "model.json", "manifest.json"
_MAX_JSON_BYTES = 64 << 20
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")


def listed(content: bytes) -> dict[str, Any]:
    """Return what a manifest says of a file."""
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def write_manifest(directory: Path, manifest: Mapping[str, Any]) -> None:
    """Write the manifest in one step."""
    part = directory / f".{MANIFEST}.part"
    text = json.dumps(manifest, indent=2, ensure_ascii=False, allow_nan=False)
    write_new(part, f"{text}\n".encode())
    part.rename(directory / MANIFEST)


def read_manifest(run_dir: Path) -> dict[str, Any]:
    """Read the manifest of a saved run.

    Raises
    ------
    DataError
        It is none, is damaged, names files elsewhere, or does not list the model.
    """
    path = run_dir / MANIFEST
    try:
        manifest = parse_json(read_plain(path, _MAX_JSON_BYTES))
        is_fit = all(isinstance(facts["sha256"], str) for facts in manifest["files"].values())
        if not is_fit or not isinstance(manifest, dict):
            raise TypeError
    except OSError as error:
        raise DataError(
            f"{run_dir} is not a saved run ({MANIFEST}: {error.strerror}); list them with "
            "`bin/pipeline runs`"
        ) from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError(f"{path} is damaged; train the model anew") from error
    for name in manifest["files"]:
        if not _NAME.fullmatch(name):
            raise DataError(f"{path} names {name!r}, which is outside the run's directory")
    if missing := {MODEL, MODEL_INFO} - set(manifest["files"]):
        raise DataError(f"{path} does not list {', '.join(sorted(missing))}; train the model anew")
    return manifest


def read_checked(run_dir: Path, manifest: Mapping[str, Any], name: str) -> bytes:
    """Read a file whose hash is that of the manifest.

    Raises
    ------
    DataError
        It differs, cannot be read, or is a link, a pipe or a device.
    """
    try:
        content = read_plain(run_dir / name, MAX_MODEL_BYTES)
    except OSError as error:
        raise _unreadable(run_dir / name, error) from error
    _require_same(run_dir / name, manifest, hashlib.sha256(content).hexdigest())
    return content


def check(run_dir: Path, manifest: Mapping[str, Any], name: str) -> None:
    """Raise a DataError, as `read_checked`, without keeping the file in memory."""
    try:
        with open_plain(run_dir / name) as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise _unreadable(run_dir / name, error) from error
    _require_same(run_dir / name, manifest, found)


def _unreadable(path: Path, error: OSError) -> DataError:
    return DataError(f"{path} cannot be read ({error.strerror}); train the model anew")


def _require_same(path: Path, manifest: Mapping[str, Any], found: str) -> None:
    expected = manifest["files"][path.name]["sha256"]
    if found != expected:
        raise DataError(
            f"{path}: sha256 differs from {MANIFEST} (is {found[:12]}…, was {expected[:12]}…); "
            "the file was changed after it was saved, restore it or train the model anew"
        )

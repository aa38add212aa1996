"""Decide whether a directory is a cluster's, by its mark, before anything in it is touched."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

MARK = ".cluster.json"
MIN_PARTS = 2  # never `/` or a directory directly under it


class Refusal(Exception):
    """The directory must not be used or deleted; the message says why and what to do."""


def check_path(directory: str, protected: list[str]) -> None:
    """Refuse a path that can never be a cluster's directory.

    Parameters
    ----------
    directory : the path as the user gave it, existing or not.
    protected : paths that must stay: the directory is none of them and holds none of them.

    Raises
    ------
    Refusal : relative, too short, `..`, characters that Hadoop's scripts cannot carry, a symbolic
        link on the way, a mount point, not a directory, another user's, or a protected place.
    """
    path = Path(directory)
    if not path.is_absolute() or ".." in path.parts:
        raise Refusal(f"cluster directory {directory} is not an absolute path without `..`")
    if len(path.parts) - 1 < MIN_PARTS:
        raise Refusal(f"cluster directory {directory} is too near to / ; choose one deeper down")
    odd = sorted({char for char in directory if not (char.isalnum() or char in "/._+-@=")})
    if odd:
        raise Refusal(
            f"cluster directory {directory} holds {odd[0]!r}, which Hadoop's class paths and "
            "start scripts cannot carry; choose a path of letters, digits and . _ -"
        )
    if os.path.realpath(directory) != os.path.normpath(directory):
        raise Refusal(
            f"cluster directory {directory} is or goes through a symbolic link to "
            f"{os.path.realpath(directory)}; name that path itself"
        )
    for kept in filter(None, protected):
        real = os.path.realpath(kept)
        if path == Path(real) or path in Path(real).parents:
            raise Refusal(f"cluster directory {directory} is or holds {kept}, which must stay")
    if path.is_mount():
        raise Refusal(f"cluster directory {directory} is a mount point; choose one below it")
    if path.exists():
        _check_owner(path)


def read_mark(directory: str) -> dict[str, str] | None:
    """Read the cluster's mark {id, name, dir}; None when there is no directory or no mark.

    Raises
    ------
    Refusal : the mark is damaged, or was written for another directory.
    """
    path = Path(directory, MARK)
    try:
        mark = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise Refusal(f"{path} cannot be read as a cluster's mark: {error}") from error
    if not isinstance(mark, dict) or not all(mark.get(key) for key in ("id", "name", "dir")):
        raise Refusal(f"{path} is not a cluster's mark: it needs id, name and dir")
    if mark["dir"] != os.path.normpath(directory):
        raise Refusal(f"{path} is the mark of {mark['dir']}, a copied or moved cluster")
    return mark


def check_ours(directory: str, name: str, cluster_id: str) -> dict[str, str] | None:
    """Return the mark if the directory is this cluster's, None if it is free to become one.

    Raises
    ------
    Refusal : there are files but no mark, or the mark has another name or id.
    """
    mark = read_mark(directory)
    path = Path(directory)
    if mark is None:
        if path.is_dir() and any(path.iterdir()):
            raise Refusal(
                f"{directory} is not empty and has no {MARK}, so it is not ours to use; "
                "choose another directory or empty it yourself"
            )
        return None
    if mark["name"] != name:
        raise Refusal(f"{directory} belongs to the cluster {mark['name']}, not to {name}")
    if cluster_id and mark["id"] != cluster_id:
        raise Refusal(f"{directory} belongs to the cluster with id {mark['id']}, not {cluster_id}")
    return mark


def _check_owner(path: Path) -> None:
    status = path.lstat()
    if not stat.S_ISDIR(status.st_mode):
        raise Refusal(f"cluster directory {path} is not a directory")
    if status.st_uid != os.getuid():
        raise Refusal(f"cluster directory {path} belongs to user id {status.st_uid}, not to you")

"""What the pipeline does otherwise for a secure cluster, for those who need not know how."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mr_jobs.lib.errors import ConfigError
from pipeline import cluster_http
from pipeline.credentials import Credentials, password_file
from pipeline.secure_access import SecureAccess

_VARIABLE = "ANSIBLE_VAULT_PASSWORD_FILE"
_ACCESS: dict[Path, SecureAccess] = {}  # by the directory of the cluster


def register(name: str, cluster_dir: Path, conf_dir: Path, web: list[str]) -> None:
    """Make known which web addresses are a secure cluster's; nothing is asked yet."""
    if cluster_dir not in _ACCESS:
        keys = Credentials(name, cluster_dir)
        _ACCESS[cluster_dir] = SecureAccess(name, cluster_dir, conf_dir, keys)
    cluster_http.register(web, _ACCESS[cluster_dir])


def forget(name: str, cluster_dir: Path) -> None:
    """Remove the credentials of a cluster that is gone, here and on the controller's disk."""
    access = _ACCESS.pop(cluster_dir, None)
    if access:
        cluster_http.unregister(access)
        access.close()
    Credentials(name, cluster_dir).forget()


def told(mark: Mapping[str, Any]) -> dict[str, str]:
    """Return what `status` says about a secure cluster; nothing about others."""
    if not mark.get("secure"):
        return {}
    check = (
        "WEAKER check of shuffled files, by path (--weak-shuffle-check)"
        if mark.get("weak_shuffle_check")
        else "native"
    )
    return {"security": f"Kerberos, realm {mark.get('realm')}, and TLS; shuffle: {check}"}


@contextmanager
def deploying(name: str, place: Path, variables: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield what a deployment of a secure cluster needs further: where its secrets are.

    Parameters
    ----------
    variables : of the deployment, without those of the secrets.

    Raises
    ------
    ConfigError : the options do not go together; nothing is changed then.
    """
    _check(variables)
    if not variables["cluster_secure"]:
        yield {}
        return
    credentials = Credentials(name, place)
    credentials.make()
    before = os.environ.get(_VARIABLE)
    os.environ[_VARIABLE] = str(password_file())
    try:
        yield credentials.variables()
    finally:
        if before is None:
            del os.environ[_VARIABLE]
        else:
            os.environ[_VARIABLE] = before
        credentials.take_in()


def _check(variables: Mapping[str, Any]) -> None:
    weak = variables["secure_weak_shuffle_check"]
    if not variables["cluster_secure"]:
        if weak:
            raise ConfigError(
                "--weak-shuffle-check goes with --secure: a cluster without has no such check"
            )
        return
    if variables["cluster_components"]:
        raise ConfigError(
            f"{', '.join(variables['cluster_components'])}: not part of the secure profile, for "
            "which Hadoop alone is set up; `bin/pipeline query` works by DuckDB without Hive"
        )
    if not weak and not variables.get("hadoop_tarball"):
        raise ConfigError(
            "--secure needs a check whose files the shuffle hands out; Maven's Hadoop has none: "
            "give an Apache tarball with lib/native/libhadoop.so (--tarball and --tarball-sha512), "
            "or --weak-shuffle-check for a replacement in Java that is weaker (docs/security.md)"
        )

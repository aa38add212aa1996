"""What a cluster is deployed from: the options of the command line, and what it has already."""

from __future__ import annotations

import re
from argparse import ArgumentParser
from pathlib import Path
from typing import Any, TypedDict

from mr_jobs.lib.errors import ConfigError
from pipeline.cluster_mark import DEFAULT_NAME
from pipeline.inventory import MASTERS, load_inventory

PORT_BASE_RANGE = range(1024, 65500)


class Options(TypedDict, total=False):
    """How a cluster is deployed; a cluster that is there keeps what is not given.

    directory : place of the cluster on this machine, empty or this cluster's own.
    port_base : first of its ports; two clusters side by side need two bases.
    tarball, tarball_sha512 : an Apache tarball (URL or path) instead of Maven, and its checksum.
    components : optional parts, of `COMPONENTS`; those that the cluster has already stay.
    inventory : file that names the hosts, or what `load_inventory` made of it; without it this
        machine is the whole cluster.
    secure : with Kerberos and TLS, see docs/security.md; only a new cluster can become it.
    weak_shuffle_check : let it go without Hadoop's native library, which is weaker.
    """

    directory: Path | str | None
    port_base: int | None
    tarball: str | None
    tarball_sha512: str | None
    components: list[str] | None
    inventory: Path | str | dict[str, Any] | None
    secure: bool | None
    weak_shuffle_check: bool | None


def add_place_options(parser: ArgumentParser) -> None:
    """Add the options that say which cluster a command is for: its name and its directory."""
    parser.add_argument(
        "--name", default=DEFAULT_NAME, help="name of the cluster (default: %(default)s)"
    )
    parser.add_argument(
        "--cluster-dir",
        type=Path,
        metavar="DIR",
        help="its directory (default: var/clusters/<name>)",
    )


def as_path(given: Path | str | None) -> Path | None:
    """Return a path that may come from JSON."""
    return Path(given) if given else None


def facts_of(mark: dict[str, Any], options: Options) -> dict[str, Any]:
    """Return the variables of a deployment: what is given, else what the cluster was made from."""
    base, old_base = options.get("port_base"), mark.get("port_base")
    tarball, sha512 = options.get("tarball"), options.get("tarball_sha512")
    if tarball and not re.fullmatch(r"[0-9a-fA-F]{128}", sha512 or ""):
        raise ConfigError("a Hadoop tarball needs its sha512, 128 hexadecimal digits")
    if base is not None and base not in PORT_BASE_RANGE:
        raise ConfigError(f"port base {base} is not between 1024 and 65499")
    if base and old_base and base != old_base:
        raise ConfigError(
            f"cluster {mark.get('name')} has its ports from {old_base} on, not from {base}; "
            "destroy it first to move them"
        )
    components = {*mark.get("components", ()), *(options.get("components") or ())}
    facts: dict[str, Any] = {"cluster_components": sorted(components)}
    if base or old_base:
        facts["cluster_port_base"] = base or old_base
    if mark.get("replication"):
        facts["hdfs_replication"] = mark["replication"]
    facts.update(_security(mark, options))
    if not tarball:
        tarball, sha512 = mark.get("tarball"), mark.get("tarball_sha512")
    if tarball:
        facts.update(hadoop_tarball=tarball, hadoop_tarball_sha512=sha512)
    return facts


def _security(mark: dict[str, Any], options: Options) -> dict[str, bool]:
    secure = bool(options.get("secure"))
    if mark.get("id") and secure and not mark.get("secure"):
        raise ConfigError(
            f"cluster {mark['name']} was made without --secure, and stays so; destroy it first, or "
            "give another cluster name"
        )
    weak = bool(options.get("weak_shuffle_check"))
    return {
        "cluster_secure": secure or bool(mark.get("secure")),
        "secure_weak_shuffle_check": weak or bool(mark.get("weak_shuffle_check")),
    }


def wanted_hosts(
    mark: dict[str, Any], inventory: Path | str | dict[str, Any] | None
) -> dict[str, Any] | None:
    """Return the hosts to deploy on; one that a cluster has may not be lost on the way."""
    old: dict[str, Any] | None = mark.get("inventory")
    if inventory is None:
        return old
    hosts = inventory if isinstance(inventory, dict) else load_inventory(Path(inventory))
    if mark.get("id") and old is None:
        raise ConfigError(
            f"cluster {mark['name']} is on this machine alone, not on the inventory's hosts; give "
            "another cluster name"
        )
    gone = sorted(set((old or hosts)["hosts"]) - set(hosts["hosts"]))
    if gone or (old and old[MASTERS] != hosts[MASTERS]):
        raise ConfigError(
            f"the inventory lacks or moves {', '.join(gone) or 'the master'} of the cluster "
            f"{mark['name']}; `bin/pipeline scale` takes workers away, the master stays"
        )
    return hosts

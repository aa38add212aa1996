"""The hosts of a cluster: read from the user's inventory, written for Ansible.

A user names one master and the workers. What Ansible gets is made from it: every variable with its
host (the project's own would win over variables of groups), the groups of the daemons, and this
machine as the gateway, from which jobs are submitted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mr_jobs.lib.errors import ConfigError
from pipeline.host_names import read_inventory

MASTERS, WORKERS = "masters", "workers"
GATEWAY = "gateway"
_ON_MASTER = (
    *("namenode", "resourcemanager", "historyserver", "metastore", "hiveserver2"),
    *("zookeeper", "hmaster", "hbasethrift", "flume"),
)
_ON_WORKERS = ("datanodes", "nodemanagers", "regionservers")
_GATEWAY_VARS = {
    "ansible_connection": "local",
    "ansible_python_interpreter": "{{ ansible_playbook_python }}",
    "cluster_min_memory_mb": 512,
    "cluster_min_disk_mb": 256,
}


def load_inventory(path: Path) -> dict[str, Any]:
    """Read and check an inventory: {host: variables} for `masters` and `workers`.

    Raises
    ------
    ConfigError
        If it cannot be read, holds something that is not allowed (see `host_names`), has no
        worker, or not exactly one master.
    """
    hosts: dict[str, dict[str, Any]] = {}
    members: dict[str, list[str]] = {MASTERS: [], WORKERS: []}
    for name, variables, groups in _hosts(read_inventory(path), {}, ()):
        hosts.setdefault(name, {}).update(variables)
        for group in members.keys() & set(groups):
            if name not in members[group]:
                members[group].append(name)
    if len(members[MASTERS]) != 1 or not members[WORKERS]:
        raise ConfigError(
            f"inventory {path}: the group masters needs one host, workers one or more; it has "
            f"{len(members[MASTERS])} and {len(members[WORKERS])}; see "
            "ansible/inventories/example.yml"
        )
    idle = sorted(hosts.keys() - {*members[MASTERS], *members[WORKERS]} | {GATEWAY} & hosts.keys())
    if idle:
        raise ConfigError(
            f"inventory {path}: {idle[0]} is neither in masters nor in workers, or has the name of "
            "this machine's role; name the hosts of the cluster only"
        )
    return {
        "hosts": {name: _portable(hosts[name], path.parent) for name in sorted(hosts)},
        **members,
    }


def _hosts(
    groups: Mapping[str, Any], inherited: Mapping[str, Any], of: tuple[str, ...]
) -> Iterator[tuple[str, dict[str, Any], tuple[str, ...]]]:
    """Yield each host with its variables and its groups; those of an inner group win."""
    for name, group in groups.items():
        parts = group or {}
        variables = {**inherited, **(parts.get("vars") or {})}
        for host, own in (parts.get("hosts") or {}).items():
            yield host, {**variables, **(own or {})}, (*of, name)
        yield from _hosts(parts.get("children") or {}, variables, (*of, name))


def _portable(variables: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Make the path of a key file absolute: it is read from elsewhere later."""
    key = variables.get("ansible_ssh_private_key_file")
    absolute = {"ansible_ssh_private_key_file": str(folder / Path(key).expanduser())} if key else {}
    return {**variables, **absolute}


def for_ansible(inventory: Mapping[str, Any]) -> dict[str, Any]:
    """Return what Ansible reads, as JSON: hosts with their variables, and the daemons' groups."""
    master, workers = inventory[MASTERS], inventory[WORKERS]
    temporary = {"ansible_remote_tmp": "/tmp/.ansible-{{ cluster_name }}"}  # noqa: S108  # on hosts
    groups = {name: master for name in _ON_MASTER} | {name: workers for name in _ON_WORKERS}
    children = {name: {"hosts": dict.fromkeys(members)} for name, members in groups.items()}
    gateway = {"hosts": {GATEWAY: None}}
    return {
        "all": {
            "hosts": {
                GATEWAY: _GATEWAY_VARS,
                **{name: {**temporary, **own} for name, own in inventory["hosts"].items()},
            },
            "children": {**children, GATEWAY: gateway, "controller": gateway},
        }
    }

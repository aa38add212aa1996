"""What a plan runs on: nodes, containers, limits; of the cluster that is there, or as it would be.

A cluster that is up is asked. One that is not would be what `ansible/group_vars/all` makes of
the machine, whose expressions are evaluated here, so that its figures have one owner.

Source: the ResourceManager's REST API, and the servlet `/conf` of Hadoop's daemons, Hadoop 3.4.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import requests
import yaml
from jinja2 import StrictUndefined
from jinja2.nativetypes import NativeEnvironment
from jinja2.runtime import Context

from mr_jobs.lib.errors import ClusterError, ConfigError
from pipeline import cluster_http
from pipeline.cluster import Cluster
from pipeline.config import VAR
from pipeline.playbooks import ANSIBLE_DIR

_TIMEOUT_S = 5
_MB = 1 << 20


@dataclass(frozen=True)
class Capacity:
    """What YARN and HDFS have to give; of `local` and `inline` what this machine has.

    Attributes
    ----------
    told : where the figures are from.
    nodes, cores : nodes, and cores of each.
    containers, container_mb : of a node, and the memory of one; a task asks for one.
    vcores : of all nodes, as YARN counts them.
    max_container_mb : the largest that YARN grants.
    replication, block_bytes : of HDFS.
    uber_maps, uber_reduces, uber_bytes : a job no larger runs in its master; none if 0.
    hinted_maps : into how many splits Hadoop cuts a small input.
    driver_mb : memory of this machine.
    free_bytes : disk for HDFS and the shuffle, on all nodes; None if not known.
    """

    told: str
    nodes: int
    cores: int
    containers: int
    vcores: int
    container_mb: int
    max_container_mb: int
    replication: int
    block_bytes: int
    uber_maps: int
    uber_reduces: int
    uber_bytes: int
    hinted_maps: int
    driver_mb: int
    free_bytes: int | None

    @property
    def slots(self) -> int:
        """Tasks that run side by side, beside the job's master, as `yarn.task_slots` says."""
        return max(1, self.vcores - 1)

    def with_containers(self, container_mb: int) -> Capacity:
        """Return the same nodes with containers of another size."""
        containers = max(1, self.max_container_mb // container_mb)
        return replace(self, container_mb=container_mb, containers=containers)


def asked(cluster: Cluster) -> Capacity:
    """Ask a cluster that is up.

    Raises
    ------
    ClusterError
        It does not answer.
    """
    found = _get(f"{cluster.resourcemanager_url}/ws/v1/cluster/nodes")["nodes"] or {}
    nodes = [node for node in found.get("node", []) if node["state"] == "RUNNING"]
    if not nodes:
        raise ClusterError(
            f"YARN of cluster {cluster.name} has no node; `bin/pipeline up` starts what is missing"
        )
    settings = _settings(cluster.resourcemanager_url) | _settings(cluster.historyserver_url)
    memory_mb = min(int(node["usedMemoryMB"]) + int(node["availMemoryMB"]) for node in nodes)
    settings["yarn.nodemanager.resource.memory-mb"] = memory_mb
    told = f"cluster {cluster.name}, asked"
    return _capacity(told, settings, len(nodes), _machine_cores(), _free_bytes())


def as_deployed() -> Capacity:
    """Return what the deployment would make of this machine."""
    return _rendered("this machine, as it would be deployed", 1, _machine_cores(), None, None)


def given(nodes: int, cores: int, memory_mb: int, disk_bytes: int | None) -> Capacity:
    """Return what the deployment would make of so many nodes, if each may use its memory.

    Raises
    ------
    ConfigError
        A number that cannot be.
    """
    if min(nodes, cores, memory_mb) < 1:
        raise ConfigError(
            "--nodes, --cores-per-node and --memory-per-node-mb are whole numbers from 1, not "
            f"{nodes}, {cores} and {memory_mb}"
        )
    told = f"{nodes:,} nodes of {cores} cores and {memory_mb:,} MiB, given"
    found = _rendered(told, nodes, cores, memory_mb, disk_bytes and disk_bytes * nodes)
    return replace(found, driver_mb=memory_mb)  # the driver is on one of them


def this_machine(runner: str) -> Capacity:
    """Return what the local and the inline runner have."""
    memory_mb, cores = _machine_mb(), _machine_cores() if runner == "local" else 1
    block = 1 << 62  # nothing is cut into blocks, and nothing is replicated
    told = "this process" if runner == "inline" else f"{cores} processes of this machine"
    return Capacity(
        told=told,
        nodes=1,
        cores=cores,
        containers=cores,
        vcores=cores + 1,
        container_mb=memory_mb // cores,
        max_container_mb=memory_mb,
        replication=1,
        block_bytes=block,
        uber_maps=0,
        uber_reduces=0,
        uber_bytes=0,
        hinted_maps=2 * (os.cpu_count() or 1),  # mrjob's rule, for text
        driver_mb=memory_mb,
        free_bytes=_free_bytes(),
    )


def _rendered(
    told: str, nodes: int, cores: int, memory_mb: int | None, free_bytes: int | None
) -> Capacity:
    """Evaluate the deployment's variables for nodes of this kind."""
    facts = _group_vars()
    groups = {"datanodes": range(nodes)}
    known: dict[str, Any] = {"groups": groups, "cluster_id": "", "components_mb": 0}
    total_mb = memory_mb or _machine_mb()
    budget_mb = int(total_mb * facts["cluster_memory_fraction"])
    if memory_mb is None:  # the budget on one machine; a node that is given is Hadoop's own
        budget_mb = min(budget_mb, facts["cluster_max_memory_mb"])
    known["base_machine"] = {"cores": cores, "memory_mb": budget_mb}
    for of_all, of_one in _SAME_ON_ALL.items():
        known[of_all] = _evaluated(facts[of_one], {**facts, **known})
    settings = {
        name: _evaluated(facts[table][name], {**facts, **known})
        for table, names in _NEEDED.items()
        for name in names
    }
    free = _free_bytes() if memory_mb is None else free_bytes
    return _capacity(told, settings, nodes, cores, free)


_SAME_ON_ALL = {  # the deployment's minimum and maximum over the hosts, and each one's own
    "cluster_container_mb": "cluster_host_container_mb",
    "cluster_largest_mb": "cluster_containers_mb",
}
_NEEDED = {
    "yarn_site": (
        "yarn.nodemanager.resource.memory-mb",
        "yarn.nodemanager.resource.cpu-vcores",
        "yarn.scheduler.maximum-allocation-mb",
    ),
    "mapred_site": (
        "mapreduce.map.memory.mb",
        "mapreduce.job.maps",
        "mapreduce.job.ubertask.enable",
        "mapreduce.job.ubertask.maxmaps",
        "mapreduce.job.ubertask.maxreduces",
        "mapreduce.job.ubertask.maxbytes",
    ),
    "hdfs_site": ("dfs.replication", "dfs.blocksize"),
}


def _capacity(
    told: str, settings: Mapping[str, Any], nodes: int, cores: int, free_bytes: int | None
) -> Capacity:
    container_mb = int(settings["mapreduce.map.memory.mb"])
    block_bytes = int(settings["dfs.blocksize"])
    uber = str(settings["mapreduce.job.ubertask.enable"]).lower() == "true"
    return Capacity(
        told=told,
        nodes=nodes,
        cores=cores,
        containers=max(1, int(settings["yarn.nodemanager.resource.memory-mb"]) // container_mb),
        vcores=nodes * int(settings["yarn.nodemanager.resource.cpu-vcores"]),
        container_mb=container_mb,
        max_container_mb=int(settings["yarn.scheduler.maximum-allocation-mb"]),
        replication=int(settings["dfs.replication"]),
        block_bytes=block_bytes,
        uber_maps=int(settings["mapreduce.job.ubertask.maxmaps"]) if uber else 0,
        uber_reduces=int(settings["mapreduce.job.ubertask.maxreduces"]),
        uber_bytes=int(settings.get("mapreduce.job.ubertask.maxbytes") or block_bytes),
        hinted_maps=int(settings["mapreduce.job.maps"]),
        driver_mb=_machine_mb(),
        free_bytes=free_bytes,
    )


def _get(url: str) -> dict[str, Any]:
    try:
        answer = cluster_http.session(url).get(
            url, headers={"Accept": "application/json"}, timeout=_TIMEOUT_S
        )
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
    except (requests.RequestException, ValueError) as error:
        raise ClusterError(
            f"{url} did not answer; `bin/pipeline up` starts what is missing of the cluster"
        ) from error
    return found


def _settings(daemon_url: str) -> dict[str, Any]:
    found = _get(f"{daemon_url}/conf?format=json")["properties"]
    return {each["key"]: each["value"] for each in found}


@cache
def _group_vars() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for path in (ANSIBLE_DIR / "group_vars" / "all").iterdir():
        found |= yaml.safe_load(path.read_bytes())
    return found


class _Nested(Context):
    """Evaluates a variable that is an expression itself, as Ansible does."""

    def resolve_or_missing(self, key: str) -> Any:  # noqa: ANN401  # Jinja's own
        value = super().resolve_or_missing(key)
        if isinstance(value, str) and "{{" in value:
            return _evaluated(value, self.get_all())
        return value


class _Expressions(NativeEnvironment):
    context_class = _Nested


_EXPRESSIONS = _Expressions(undefined=StrictUndefined)  # numbers stay numbers


def _evaluated(value: object, variables: Mapping[str, Any]) -> Any:  # noqa: ANN401  # any JSON value
    if not isinstance(value, str):
        return value
    return _EXPRESSIONS.from_string(value).render(variables)


def _machine_cores() -> int:
    return len(os.sched_getaffinity(0))


def _machine_mb() -> int:
    """Return this machine's memory, or its control group's limit if that is smaller."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for limit in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        text = Path(limit).read_text().strip() if Path(limit).exists() else ""
        if text.isdigit():
            total = min(total, int(text))
    return total // _MB


def _free_bytes() -> int:
    VAR.mkdir(parents=True, exist_ok=True)
    return shutil.disk_usage(VAR).free

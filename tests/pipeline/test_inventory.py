"""What the user's inventory says is what Ansible gets, and no more."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mr_jobs.lib.errors import ConfigError
from pipeline.cluster_options import facts_of, wanted_hosts
from pipeline.inventory import for_ansible, load_inventory

HOSTS = """
all:
  vars: {ansible_user: hadoop, cluster_max_memory_mb: 4096}
  children:
    masters:
      hosts: {m: {ansible_host: 192.0.2.11}}
    workers:
      vars: {cluster_cores: 4}
      hosts: {w1: , w2: {cluster_max_memory_mb: 8192}}
"""


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    path = tmp_path / "hosts.yml"
    path.write_text(HOSTS)
    return path


def test_variables_of_groups_become_those_of_hosts(inventory: Path) -> None:
    found = load_inventory(inventory)

    assert found["masters"] == ["m"]
    assert found["workers"] == ["w1", "w2"]
    assert found["hosts"] == {
        "m": {
            "ansible_user": "hadoop",
            "cluster_max_memory_mb": 4096,
            "ansible_host": "192.0.2.11",
        },
        "w1": {"ansible_user": "hadoop", "cluster_max_memory_mb": 4096, "cluster_cores": 4},
        "w2": {"ansible_user": "hadoop", "cluster_max_memory_mb": 8192, "cluster_cores": 4},
    }


def test_daemons_are_where_the_inventory_puts_them(inventory: Path) -> None:
    made = json.loads(json.dumps(for_ansible(load_inventory(inventory))))["all"]

    groups = {name: sorted(group["hosts"]) for name, group in made["children"].items()}
    assert groups["namenode"] == groups["resourcemanager"] == groups["historyserver"] == ["m"]
    assert groups["datanodes"] == groups["nodemanagers"] == ["w1", "w2"]
    assert groups["controller"] == groups["gateway"] == ["gateway"]
    assert made["hosts"]["gateway"]["ansible_connection"] == "local"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("all: {children: {workers: {hosts: {w1: }}}}", "masters needs one host.* 0 and 1"),
        ("all: {children: {masters: {hosts: {a: , b: }}, workers: {hosts: {c: }}}}", "2 and 1"),
        ("all: {children: {masters: {hosts: {a: }}}}", "1 and 0"),
        (
            "all: {hosts: {x: }, children: {masters: {hosts: {a: }}, workers: {hosts: {b: }}}}",
            "x is neither in masters nor in workers",
        ),
        (
            "all: {children: {masters: {hosts: {gateway: }}, workers: {hosts: {b: }}}}",
            "gateway is neither",
        ),
    ],
)
def test_inventory_without_a_cluster_in_it_is_refused(
    tmp_path: Path, text: str, reason: str
) -> None:
    path = tmp_path / "hosts.yml"
    path.write_text(text)

    with pytest.raises(ConfigError, match=reason):
        load_inventory(path)


def test_key_file_is_found_from_elsewhere(tmp_path: Path) -> None:
    path = tmp_path / "hosts.yml"
    path.write_text(HOSTS.replace("ansible_user: hadoop", "ansible_ssh_private_key_file: ~/k"))

    assert load_inventory(path)["hosts"]["m"]["ansible_ssh_private_key_file"] == str(
        Path.home() / "k"
    )


def test_up_cannot_lose_or_move_hosts(inventory: Path, tmp_path: Path) -> None:
    mark = {"id": "one-1", "name": "one", "inventory": load_inventory(inventory)}
    fewer = tmp_path / "fewer.yml"
    fewer.write_text(HOSTS.replace("w1: , ", ""))
    moved = tmp_path / "moved.yml"
    moved.write_text(HOSTS.replace("{m:", "{w9:"))

    with pytest.raises(ConfigError, match=r"lacks or moves w1 .*`bin/pipeline scale`"):
        wanted_hosts(mark, fewer)
    with pytest.raises(ConfigError, match="lacks or moves m "):
        wanted_hosts(mark, moved)
    assert wanted_hosts(mark, None) == mark["inventory"]


def test_cluster_of_one_machine_does_not_spread(inventory: Path) -> None:
    with pytest.raises(ConfigError, match="is on this machine alone"):
        wanted_hosts({"id": "one-1", "name": "one"}, inventory)


def test_replication_stays_that_of_the_first_deployment() -> None:
    assert facts_of({"id": "x", "replication": 2}, {})["hdfs_replication"] == 2
    assert "hdfs_replication" not in facts_of({}, {})

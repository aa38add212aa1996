"""An inventory from outside cannot run a program here, nor change who acts there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from mr_jobs.lib.errors import ConfigError
from pipeline.host_names import check_host_name, check_inventory, read_inventory

KNOWN = "-o UserKnownHostsFile=/w/known_hosts -o StrictHostKeyChecking=yes"


def _with(**variables: Any) -> dict[str, Any]:
    return {"all": {"hosts": {"node1": variables}}}


@pytest.mark.parametrize("name", ["node1", "n-1.example.org", "10.0.0.7", "a_b", "0"])
def test_names_and_addresses_of_hosts_are_taken(name: str) -> None:
    check_host_name(name)


@pytest.mark.parametrize(
    "name",
    [
        *("-oProxyCommand=touch${IFS}x", "-v", "..", "../x", ".hidden", "a/b", "a b", "a;b", "a|b"),
        *("a\n", "a\nb", "a\x1b[2J", "{{ lookup('pipe','id') }}", "{%x%}", "a[1:9]", "a,b", "a:b"),
        *("user@host", "%h", "$(id)", "`id`", "a\u202eb", "é", "", "n" * 254, None, 7, True, ["a"]),
    ],
)
def test_other_names_of_hosts_are_refused(name: Any) -> None:
    with pytest.raises(ConfigError, match="is no host name") as refused:
        check_host_name(name)

    assert str(refused.value).isprintable()
    with pytest.raises(ConfigError):
        check_inventory({"all": {"hosts": {tuple(name) if name == ["a"] else name: None}}})


def test_an_inventory_of_several_hosts_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "hosts.yml"
    path.write_text(
        f"""
all:
  vars: {{ansible_user: hadoop, ansible_ssh_common_args: "{KNOWN}"}}
  children:
    masters: {{hosts: {{node1: {{ansible_host: 10.0.0.1, ansible_port: 2222}}}}}}
    workers:
      hosts:
        node2: {{ansible_connection: local, ansible_python_interpreter: /usr/bin/python3.11}}
        node3:
      vars: {{memory_mb: 4096, disks: [/data/1, /data/2]}}
"""
    )

    assert set(read_inventory(path)["all"]["children"]) == {"masters", "workers"}


@pytest.mark.parametrize(
    "variables",
    [
        {"ansible_ssh_common_args": "-o ProxyCommand=id"},
        {"ansible_ssh_common_args": "-o proxycommand=id"},
        {"ansible_ssh_common_args": "-oProxyCommand=id"},
        {"ansible_ssh_common_args": f"{KNOWN} -o 'ProxyCommand=sh -c id'"},
        {"ansible_ssh_common_args": "-o LocalCommand=id -o PermitLocalCommand=yes"},
        {"ansible_ssh_common_args": "-o KnownHostsCommand=/bin/id"},
        {"ansible_ssh_common_args": "-o StrictHostKeyChecking=no"},
        {"ansible_ssh_common_args": "-o StrictHostKeyChecking=accept-new"},
        {"ansible_ssh_common_args": "-o UserKnownHostsFile=|/bin/id"},
        {"ansible_ssh_common_args": "-o UserKnownHostsFile='/a b'"},
        {"ansible_ssh_common_args": "-F /opt/config"},
        {"ansible_ssh_common_args": "-J jump"},
        {"ansible_ssh_common_args": "-o"},
        {"ansible_ssh_common_args": "-o 'Port=22"},
        {"ansible_ssh_common_args": ["-o", "Port=22"]},
        {"ansible_ssh_extra_args": KNOWN},
        {"ansible_ssh_args": KNOWN},
        {"ansible_ssh_executable": "/opt/ssh"},
        {"ansible_sftp_executable": "/opt/sftp"},
        {"ansible_sftp_extra_args": "-D /opt/x"},
        {"ansible_scp_extra_args": "-S /opt/x"},
        {"ansible_shell_executable": "/opt/sh"},
        {"ansible_shell_type": "powershell"},
        {"ansible_connection": "docker"},
        {"ansible_connection": "community.general.lxc"},
        {"ansible_become": True},
        {"ansible_become_user": "root"},
        {"ansible_become_exe": "/opt/x"},
        {"ansible_password": "secret"},
        {"ansible_python_interpreter": "python3"},
        {"ansible_python_interpreter": "/usr/bin/env python3"},
        {"ansible_python_interpreter": "/bin/sh;id"},
        {"ansible_perl_interpreter": "/opt/x"},
        {"ansible_ssh_private_key_file": "-oProxyCommand=id"},
        {"ansible_host": "-oProxyCommand=id"},
        {"ansible_host": "a\n"},
        {"ansible_user": "-l"},
        {"ansible_user": "root;id"},
        {"ansible_port": "22 -o ProxyCommand=id"},
        {"ansible_port": True},
        {"ansible_port": 0},
        {"memory_mb": "{{ lookup('pipe', 'id') }}"},
        {"memory_mb": "{% set x %}"},
        {"memory_mb": "{# x #}"},
        {"disks": ["/data", {"deep": "x {{ y }}"}]},
        {"disks": {"{{ y }}": 1}},
        {"disks": "a\nb"},
        {"a b": 1},
        {"-x": 1},
        {7: 1},
    ],
)
def test_variables_that_run_programs_or_are_templates_are_refused(variables: Any) -> None:
    for place in (
        {"all": {"hosts": {"node1": variables}}},
        {"all": {"vars": variables}},
        {"all": {"children": {"workers": {"vars": variables}}}},
    ):
        with pytest.raises(ConfigError, match=r"^inventory: ") as refused:
            check_inventory(place)
        assert str(refused.value).isprintable()


@pytest.mark.parametrize(
    "args",
    [
        KNOWN,
        "-o UserKnownHostsFile=~/.ssh/known -o Port=2222 -o ConnectTimeout=5",
        "-o ServerAliveInterval=10 -o ServerAliveCountMax=3 -o IdentitiesOnly=yes",
        "",
    ],
)
def test_harmless_options_of_ssh_are_taken(args: str) -> None:
    check_inventory(_with(ansible_ssh_common_args=args))


@pytest.mark.parametrize(
    "data",
    [
        *(None, [], "node1", 7, {}, {"all": "node1"}, {"all": {"hosts": ["node1"]}}),
        *({"plugin": "constructed"}, {"all": {"plugin": {}}}, {"a b": {}}, {"{{ x }}": {}}),
        {"all": {"hosts": {f"node{n}": None for n in range(1001)}}},
    ],
)
def test_what_is_no_inventory_is_refused(data: Any) -> None:
    with pytest.raises(ConfigError, match=r"^inventory: "):
        check_inventory(data)


@pytest.mark.parametrize(
    "text",
    [
        "all: {hosts: {node1: {x: !unsafe '{{ y }}'}}}",
        "all: {hosts: {node1: {x: !vault 'abc'}}}",
        "all: !!python/object/apply:os.system ['id']",
        "a: &a {hosts: {n: }}\nb: *a",
        "[" * 200_000,
        "- " * 100_000,
        "{a: " * 50_000,
        "all: {",
        "\x00",
        "{1: {}}",
        "a" * (1 << 18) + ": {}",
    ],
)
def test_a_file_that_is_no_plain_yaml_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "hosts.yml"
    path.write_text(text)

    with pytest.raises(ConfigError, match=r"^inventory: ") as refused:
        read_inventory(path)

    assert str(refused.value).isprintable()


def test_groups_nested_without_end_are_refused() -> None:
    data: dict[str, Any] = {}
    data["all"] = {"children": data}

    with pytest.raises(ConfigError, match="nested deeper"):
        check_inventory(data)


@pytest.mark.parametrize("kind", ["pipe", "link", "missing", "folder"])
def test_a_pipe_or_link_is_no_inventory(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "hosts.yml"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "link":
        path.symlink_to("/dev/zero")
    elif kind == "folder":
        path.mkdir()

    with pytest.raises(ConfigError, match="cannot be read"):
        read_inventory(path)

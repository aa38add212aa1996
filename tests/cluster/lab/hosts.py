"""Throw-away hosts on this machine for tests: see ../shared/lab/hosts.sh."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

SCRIPT = Path(__file__).parents[4] / "shared" / "lab" / "hosts.sh"
TRACES = """
import json, os, pathlib
def argv(process):
    try: return (process / 'cmdline').read_bytes().decode(errors='replace')
    except OSError: return ''
tops = ('/home', '/tmp', '/var/tmp', '/run', '/root', '/etc', '/opt', '/srv')
files = [os.path.join(d, n) for top in tops for d, ds, ns in os.walk(top) for n in [*ds, *ns]]
found = [argv(p) for p in pathlib.Path('/proc').iterdir() if p.name.isdigit()]
ports = [line.split()[1] for table in ('tcp', 'tcp6') for line in open('/proc/net/' + table)
         if line.split()[3] == '0A']
print(json.dumps({
    'files': sorted(files), 'mounts': sorted(open('/proc/self/mounts')),
    'processes': sorted(a for a in found if a and 'json.dumps' not in a
                        and not a.startswith('sshd: ')),
    'ports': sorted(ports), 'users': open('/etc/passwd').read(),
    'links': sorted(os.listdir('/sys/class/net')),
}))
"""
Traces = dict[str, dict[str, Any]]
MASKED = "/root /home /mnt /srv"  # of this machine, which the hosts must not see


@dataclass(frozen=True)
class Lab:
    """The hosts h1, h2 …: where their files are, and how to reach them."""

    dir: Path
    bridge: str
    net: str
    n: int

    def address(self, host: str) -> str:
        """Return a host's address."""
        return f"{self.net}.{int(host[1:]) + 10}"

    def run(self, host: str, script: str) -> str:
        """Run a shell script on a host, as root, and return what it prints."""
        return self._hosts("sh", host, "bash", "-c", script)

    def python(self, host: str, code: str) -> str:
        """Run Python on a host."""
        return self._hosts("sh", host, "/usr/bin/python3", "-c", code)

    def pids(self, host: str, word: str) -> list[int]:
        """Return the processes of a host, by its own numbers, that have this argument."""
        code = (
            "import os,pathlib\n"
            "for p in pathlib.Path('/proc').iterdir():\n"
            "  try: argv = (p/'cmdline').read_bytes().decode(errors='replace').split('\\0')\n"
            f"  except OSError: continue\n  if p.name.isdigit() and {word!r} in argv: print(p.name)"
        )
        return [int(pid) for pid in self.python(host, code).split()]

    def daemons(self, host: str) -> set[str]:
        """Return the daemons of a cluster that run on a host."""
        code = (
            "import pathlib\n"
            "for p in pathlib.Path('/proc').iterdir():\n"
            "  try: argv = (p/'cmdline').read_bytes().decode(errors='replace').split('\\0')\n"
            "  except OSError: continue\n"
            "  print(*[a[17:] for a in argv if a.startswith('-Dcluster.daemon=')])"
        )
        return set(self.python(host, code).split())

    def kill(self, host: str, *pids: int) -> None:
        """End processes of a host by SIGKILL."""
        self.run(host, " ; ".join(["true", *(f"kill -9 {pid}" for pid in pids)]))

    def cut(self, host: str) -> None:
        """Pull the network cable of a host."""
        subprocess.run(["ip", "link", "set", f"veth-{host}", "down"], check=True)

    def plug(self, host: str) -> None:
        """Put the cable back."""
        subprocess.run(["ip", "link", "set", f"veth-{host}", "up"], check=True)

    def end(self, host: str) -> None:
        """Let a host lose its power: every process, mount and link of it goes at once."""
        pid = int((self.dir / host / "pid").read_text())
        argv = Path(f"/proc/{pid}/cmdline").read_bytes().decode()
        assert f"_boot\0{host}\0{self.dir}" in argv
        os.kill(pid, 9)

    def traces(self, host: str) -> dict[str, Any]:
        """Return what a deployment could leave: files, processes, ports, mounts and users."""
        traces: dict[str, Any] = json.loads(self.python(host, TRACES))
        return traces

    def all_traces(self) -> Traces:
        """Return the traces of every host."""
        return {f"h{number}": self.traces(f"h{number}") for number in range(1, self.n + 1)}

    def assert_as(self, before: Traces) -> None:
        """Wait until nothing is new or gone on any host: some ends with the last ssh connection."""
        deadline = time.monotonic() + 20
        while left := differences(before, self.all_traces()):
            assert time.monotonic() < deadline, left

    def inventory(self, path: Path, master: str, workers: list[str], **variables: object) -> Path:
        """Write an inventory of some of the hosts."""
        hosts = {name: {"ansible_host": self.address(name)} for name in (master, *workers)}
        ssh = f"-o UserKnownHostsFile={self.dir}/known_hosts -o StrictHostKeyChecking=yes"
        inventory = {
            "all": {
                "vars": {
                    "ansible_user": "deploy",
                    "ansible_ssh_private_key_file": str(self.dir / "id"),
                    "ansible_python_interpreter": "/usr/bin/python3",
                    "ansible_ssh_common_args": ssh,
                    "cluster_max_memory_mb": 3072,
                    "cluster_cores": 1,
                    **variables,
                },
                "children": {
                    "masters": {"hosts": {master: hosts[master]}},
                    "workers": {"hosts": {name: hosts[name] for name in workers}},
                },
            }
        }
        path.write_text(yaml.safe_dump(inventory))
        return path

    def _hosts(self, *arguments: str) -> str:
        return hosts_sh(self.dir, self.bridge, self.net, self.n, *arguments)


def hosts_sh(directory: Path, bridge: str, net: str, n: int, *arguments: str) -> str:
    """Run the script for these hosts."""
    env = {**os.environ, "HOSTS_DIR": str(directory), "BR": bridge, "NET": net, "N": str(n)}
    done = subprocess.run(
        ["bash", str(SCRIPT), *arguments],
        env={**env, "MASK": MASKED},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def differences(before: Traces, after: Traces) -> list[str]:
    """Say what is new or gone, a line each."""
    lines = []
    for host, kinds in before.items():
        for kind, old in kinds.items():
            new = after[host][kind]
            if isinstance(old, str):
                old, new = old.splitlines(), new.splitlines()
            lines += [f"{host}: {kind}: new {each}" for each in sorted(set(new) - set(old))]
            lines += [f"{host}: {kind}: gone {each}" for each in sorted(set(old) - set(new))]
    return lines


@contextmanager
def lab(directory: Path, n: int) -> Iterator[Lab]:
    """Start hosts with a bridge and a network of their own, and take them away at the end."""
    number = os.getpid() % 200
    found = Lab(directory, f"br-test{number}", f"10.78.{number}", n)
    with _alone():
        hosts_sh(found.dir, found.bridge, found.net, n, "up")
        try:
            yield found
        finally:
            hosts_sh(found.dir, found.bridge, found.net, n, "down")


@contextmanager
def _alone(limit_s: float = 3600) -> Iterator[None]:
    """Wait until no other hosts are there, whose links have the same names; it leaves no file."""
    deadline = time.monotonic() + limit_s
    with socket.socket(socket.AF_UNIX) as held:
        while True:
            try:
                held.bind("\0hosts of a lab")
                break
            except OSError:
                assert time.monotonic() < deadline, "other hosts are there, and stay"
                time.sleep(1)
        yield

#!/usr/bin/python
"""Check a machine before anything on it is changed; report every problem at once."""

from __future__ import annotations

import getpass
import hashlib
import importlib.util
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible.module_utils.cluster_directory import Refusal, check_ours, check_path
from ansible.module_utils.cluster_processes import find, port_holders

DOCUMENTATION = r"""
module: cluster_preflight
short_description: Check a machine before a cluster is deployed on it
description: Checks the directory, Java, memory, disk and ports; changes nothing.
options:
  name: {type: str, required: true, description: Name of the cluster.}
  id: {type: str, default: "", description: Identity that the directory must have, if any.}
  directory: {type: str, required: true, description: Directory of the cluster.}
  protected: {type: list, elements: str, default: [], description: Paths that must stay.}
  ports: {type: dict, required: true, description: Port numbers of this host's daemons by name.}
  java_version: {type: int, required: true, description: Major version of Java that is needed.}
  python_version:
    {type: str, default: "", description: Version of Python that the tasks need; empty is any.}
  now_s: {type: float, default: 0.0, description: Time of the controller; 0 checks no clock.}
  max_skew_s: {type: float, default: 0.0, description: How far this clock may be from it.}
  min_disk_mb: {type: int, required: true, description: Free space that must be there.}
  max_disk_percent:
    {type: float, required: true, description: Use of the disk at which a NodeManager is unhealthy.}
  min_memory_mb: {type: int, required: true, description: The smallest cluster that can work.}
  max_memory_mb: {type: int, required: true, description: The cluster's budget on a large machine.}
  memory_fraction: {type: float, required: true, description: Largest share of the memory to use.}
author: ImageNet on Hadoop
"""
EXAMPLES = r"""
- cluster_preflight: {name: imagenet, directory: /data/imagenet, ports: {namenode: 21000}, ...}
"""
RETURN = r"""
machine:
  description: java_home, java_id, user, cores, total_memory_mb, memory_mb (the budget).
  returned: success
  type: dict
"""

MIB = 1 << 20


def main() -> None:
    """Run the checks and fail with all that went wrong."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "id": {"type": "str", "default": ""},
            "directory": {"type": "str", "required": True},
            "protected": {"type": "list", "elements": "str", "default": []},
            "ports": {"type": "dict", "required": True},
            "java_version": {"type": "int", "required": True},
            "python_version": {"type": "str", "default": ""},
            "now_s": {"type": "float", "default": 0.0},
            "max_skew_s": {"type": "float", "default": 0.0},
            "min_disk_mb": {"type": "int", "required": True},
            "max_disk_percent": {"type": "float", "required": True},
            "min_memory_mb": {"type": "int", "required": True},
            "max_memory_mb": {"type": "int", "required": True},
            "memory_fraction": {"type": "float", "required": True},
        },
        supports_check_mode=True,
    )
    args = module.params
    try:
        check_path(args["directory"], [*args["protected"], str(Path.home())])
        mark = check_ours(args["directory"], args["name"], args["id"])
    except Refusal as refusal:
        module.fail_json(msg=str(refusal))
    running = find(mark["id"], args["directory"]) if mark else []
    java, problems = find_java(args["java_version"])
    total_mb = total_memory_mb()
    budget_mb = min(args["max_memory_mb"], int(total_mb * args["memory_fraction"]))
    problems += check_python(args["python_version"])
    problems += check_clock(args["now_s"], args["max_skew_s"])
    problems += check_disk(args["directory"], args["min_disk_mb"], args["max_disk_percent"])
    problems += check_memory(total_mb, budget_mb, args["min_memory_mb"], running=bool(running))
    problems += check_host_name(socket.gethostname())
    problems += check_ports(args["ports"], {process.pid for process in running})
    if problems:
        module.fail_json(msg="; ".join(problems), problems=problems)
    machine = {
        **java,
        "user": getpass.getuser(),
        "cores": len(os.sched_getaffinity(0)),
        "total_memory_mb": total_mb,
        "memory_mb": budget_mb,
    }
    module.exit_json(changed=False, machine=machine, id=mark["id"] if mark else "")


def find_java(version: int) -> tuple[dict[str, str], list[str]]:
    """Return home and build of a Java of that major version, or the problem in one sentence."""
    advice = f"install it (Debian: openjdk-{version}-jre-headless) or set JAVA_HOME"
    home = os.environ.get("JAVA_HOME")
    program = str(Path(home, "bin", "java")) if home else shutil.which("java")
    if program is None or not Path(program).is_file():
        where = f"JAVA_HOME={home} holds no bin/java" if home else "no java on PATH"
        return {}, [f"Java {version} is missing ({where}): {advice}"]
    answer = subprocess.run(
        [program, "-XX:-UsePerfData", "-version"], capture_output=True, text=True, check=False
    )
    found = re.search(r'version "(\d+)', answer.stderr)
    if found is None or int(found[1]) != version:
        other = found[1] if found else "unknown"
        return {}, [f"Java {version} is needed, {program} is version {other}: {advice}"]
    build = hashlib.sha256(answer.stderr.encode()).hexdigest()[:12]
    home = str(Path(os.path.realpath(program)).parents[1])
    return {"java_home": home, "java_id": build}, []


def check_python(version: str) -> list[str]:
    """Say so when the tasks' packages, built for one version of Python, would not work here."""
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    if not version:
        return []
    if here != version:
        return [
            f"Python {version} is needed, {sys.executable} is {here}: name that of "
            f"{version} as ansible_python_interpreter in the inventory"
        ]
    if importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
        return ["Python has no venv: install it (Debian: python3-venv)"]
    return []


def check_clock(now_s: float, max_skew_s: float) -> list[str]:
    """Say so when this clock and the controller's differ: tokens and tickets would be refused."""
    skew_s = time.time() - now_s
    if not now_s or abs(skew_s) <= max_skew_s:
        return []
    way = "ahead of" if skew_s > 0 else "behind"
    return [
        f"the clock is {abs(skew_s):.0f} s {way} that of the machine that deploys, more than "
        f"{max_skew_s:.0f} s: set it, best by NTP"
    ]


def total_memory_mb() -> int:
    """Return the memory of this machine in MiB, or its control group's limit if smaller."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for limit in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            text = Path(limit).read_text().strip()
        except OSError:
            continue
        if text.isdigit():
            total = min(total, int(text))
    return total // MIB


def check_memory(total_mb: int, budget_mb: int, min_mb: int, *, running: bool = False) -> list[str]:
    """Say so when the cluster does not fit into the memory, or not into what is free now.

    A running cluster has taken its part of what is free already.
    """
    meminfo = Path("/proc/meminfo").read_text()
    found = re.search(r"MemAvailable:\s+(\d+) kB", meminfo)
    available_mb = int(found[1]) // 1024 if found else total_mb
    if budget_mb < min_mb:
        return [
            f"memory is too small: the cluster needs {min_mb} MiB, and {budget_mb} MiB is the "
            f"share it may use of this machine's {total_mb} MiB"
        ]
    if available_mb < min_mb and not running:
        return [
            f"memory is too full: the cluster needs {min_mb} MiB and {available_mb} of "
            f"{total_mb} MiB are available; end other programs"
        ]
    return []


def check_disk(directory: str, min_mb: int, max_percent: float) -> list[str]:
    """Say so when the disk is too full to work, or so full that a NodeManager gets unhealthy."""
    path = Path(directory)
    while not path.exists():
        path = path.parent
    if not os.access(path, os.W_OK):
        return [f"{path} is not writable, so {directory} cannot be made"]
    usage = shutil.disk_usage(path)
    percent = 100.0 * (usage.total - usage.free) / usage.total
    problems = []
    if usage.free // MIB < min_mb:
        problems.append(
            f"disk is too full: {directory} needs {min_mb} MiB and {usage.free // MIB} MiB are free"
        )
    if percent > max_percent:
        problems.append(
            f"disk of {directory} is {percent:.0f} % full, and above {max_percent:.0f} % a "
            "NodeManager is unhealthy and jobs hang: free some space"
        )
    return problems


def check_host_name(name: str) -> list[str]:
    """Say so when this machine's own name does not resolve: Hadoop then refuses every job."""
    try:
        socket.getaddrinfo(name, None)
    except OSError:
        return [
            f"this machine's name {name} does not resolve: add `127.0.1.1 {name}` to /etc/hosts"
        ]
    return []


def check_ports(ports: dict[str, Any], ours: set[int]) -> list[str]:
    """Name each port that is in use by something else than this cluster."""
    holders = port_holders()
    taken = []
    for service, port in sorted(ports.items(), key=lambda item: int(item[1])):
        holder = holders.get(int(port))
        pid = re.search(r"pid (\d+)", holder or "")
        if holder and not (pid and int(pid[1]) in ours):
            taken.append(f"port {port} ({service}) is in use by {holder}")
    if taken:
        taken[-1] += "; choose another port base or end it"
    return taken


if __name__ == "__main__":
    main()

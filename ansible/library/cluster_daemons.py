#!/usr/bin/python
"""Start, list or stop the processes of one cluster on this host, known by its identity."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible.module_utils import secure_http
from ansible.module_utils.cluster_http import get
from ansible.module_utils.cluster_processes import Process, find, stop

DOCUMENTATION = r"""
module: cluster_daemons
short_description: Start, list or stop a cluster's processes
description:
  - O(state=started) starts the daemons that do not run, all at once, and does not wait for them.
  - O(restart) names those that end first, for a configuration that has changed.
  - O(state=listed) changes nothing. O(state=stopped) ends every process of the cluster.
options:
  id: {type: str, required: true, description: Identity of the cluster.}
  directory: {type: str, required: true, description: Directory of the cluster.}
  daemons: {type: list, elements: str, default: [], description: Daemons of this host.}
  namenode_url:
    type: str
    default: ""
    description: Web address of the NameNode.
  after_namenode:
    type: list
    elements: str
    default: []
    description: Daemons that are started once the NameNode is active.
  launchers:
    type: dict
    default: {}
    description: Program in `bin` that starts a daemon, by the daemon's name; hadoop for the others.
  restart: {type: list, elements: str, default: [], description: Daemons to start anew.}
  state: {type: str, choices: [started, listed, stopped], default: listed, description: What to do.}
author: ImageNet on Hadoop
"""
EXAMPLES = r"""
- cluster_daemons: {id: 5f0c, directory: /data/imagenet, daemons: [namenode], state: started}
"""
RETURN = r"""
running: {description: Pid of each running daemon., returned: success, type: dict}
others: {description: Pids of containers and clients., returned: success, type: list}
"""


LAUNCHER = "hadoop"
NAMENODE_S = 60.0
LAUNCH_S = 10.0
POLL_S = 0.2


def main() -> None:
    """Bring the processes into the wanted state."""
    module = AnsibleModule(
        argument_spec={
            "id": {"type": "str", "required": True},
            "directory": {"type": "str", "required": True},
            "daemons": {"type": "list", "elements": "str", "default": []},
            "namenode_url": {"type": "str", "default": ""},
            "after_namenode": {"type": "list", "elements": "str", "default": []},
            "launchers": {"type": "dict", "default": {}},
            "restart": {"type": "list", "elements": "str", "default": []},
            "state": {
                "type": "str",
                "choices": ["started", "listed", "stopped"],
                "default": "listed",
            },
        },
        supports_check_mode=True,
    )
    args = module.params
    secure_http.use(args["directory"])
    found = find(args["id"], args["directory"])
    if args["state"] == "started":
        start_missing(module, found)
    elif args["state"] == "stopped":
        stop_all(module, found)
    module.exit_json(changed=False, **describe(found))


def describe(found: list[Process]) -> dict[str, Any]:
    """Split the processes into daemons, by name, and the rest."""
    return {
        "running": {process.daemon: process.pid for process in found if process.daemon},
        "others": [process.pid for process in found if not process.daemon],
    }


def start_missing(module: AnsibleModule, found: list[Process]) -> None:
    """Start the daemons that do not run; containers that lost their NodeManager end first."""
    args = module.params
    kept = set(describe(found)["running"]) - set(args["restart"])
    missing = [name for name in args["daemons"] if name not in kept]
    if missing and not module.check_mode:
        end(module, [process for process in found if is_stale(process, kept, missing, args)])
        launch(args, missing)
    module.exit_json(changed=bool(missing), started=missing, **describe(found))


def end(module: AnsibleModule, processes: list[Process]) -> None:
    """End processes or fail with the names of those that do not."""
    left = stop(processes)
    if left:
        names = ", ".join(f"{process.name} (pid {process.pid})" for process in left)
        module.fail_json(msg=f"{names} did not end, not even by SIGKILL")


def is_stale(process: Process, kept: set[str], missing: list[str], args: dict[str, Any]) -> bool:
    """Tell whether a process must end before the missing daemons start.

    Clients go with the last daemon: what they wait for would never come.
    """
    if process.daemon:
        return process.daemon in args["restart"]
    if "nodemanager" in missing and is_container(process, args["directory"]):
        return True
    return bool(args["restart"]) and not kept


def is_container(process: Process, directory: str) -> bool:
    """Tell whether a process is of a container; such must not outlive its NodeManager."""
    try:
        cwd = str(Path(f"/proc/{process.pid}/cwd").readlink())
    except OSError:
        return False
    return process.daemon is None and cwd.startswith(str(Path(directory, "data", "yarn")) + os.sep)


def launch(args: dict[str, Any], names: list[str]) -> None:
    """Start daemons, those that need HDFS last, and wait until each is known by its token."""
    root = Path(args["directory"])
    started: dict[str, subprocess.Popen[bytes]] = {}
    late = [name for name in names if name in args["after_namenode"]]
    for name in [name for name in names if name not in late]:
        started[name] = start(args["launchers"].get(name, LAUNCHER), name, root)
    if late:
        wait_for_namenode(args["namenode_url"], started.get("namenode"))
    for name in late:
        started[name] = start(args["launchers"].get(name, LAUNCHER), name, root)
    deadline = time.monotonic() + LAUNCH_S
    while time.monotonic() < deadline:
        running = describe(find(args["id"], str(root)))["running"]
        if all(name in running or daemon.poll() is not None for name, daemon in started.items()):
            return
        time.sleep(POLL_S)


def wait_for_namenode(url: str, namenode: subprocess.Popen[bytes] | None) -> None:
    """Wait until HDFS takes requests: a history server gives up when one is refused.

    It waits no longer than needed to see that the NameNode is not coming: that is told later, by
    the check of all daemons.
    """
    deadline = time.monotonic() + NAMENODE_S
    while time.monotonic() < deadline and (namenode is None or namenode.poll() is None):
        try:
            status = get(f"{url}/jmx?qry=Hadoop:service=NameNode,name=NameNodeStatus")
            if status["beans"][0]["State"] == "active":
                return
        except (OSError, ValueError, LookupError):
            pass  # not yet
        time.sleep(POLL_S)


def start(launcher: str, name: str, directory: Path) -> subprocess.Popen[bytes]:
    """Start one daemon in a session of its own; it holds none of the caller's files."""
    log = directory / "logs" / f"{name}.out"
    with log.open("ab") as out:
        return subprocess.Popen(
            [directory / "bin" / launcher, name],
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )


def stop_all(module: AnsibleModule, found: list[Process]) -> None:
    """End every process, then look again: one of them may have started another."""
    stopped = [process.name for process in found]
    while found and not module.check_mode:
        end(module, found)
        found = find(module.params["id"], module.params["directory"])
    module.exit_json(changed=bool(stopped), stopped=stopped, **describe(found))


if __name__ == "__main__":
    main()

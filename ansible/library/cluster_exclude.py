#!/usr/bin/python
"""Tell the NameNode and the ResourceManager which workers leave, and wait until they may."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible.module_utils.cluster_http import get

DOCUMENTATION = r"""
module: cluster_exclude
short_description: Decommission workers
description:
  - Writes the lists of excluded hosts and lets both masters read them.
  - Waits until every block of a leaving DataNode has its replicas on others; without a host it
    empties the lists, and does not wait.
options:
  directory: {type: path, required: true, description: Directory of the cluster.}
  hadoop_bin: {type: path, required: true, description: The launcher.}
  namenode_url: {type: str, required: true, description: Web address of the NameNode.}
  datanodes: {type: list, elements: str, default: [], description: Leaving DataNodes, host:port.}
  nodemanagers: {type: list, elements: str, default: [], description: Leaving NodeManagers.}
  timeout_s: {type: int, default: 0, description: Longest time for their blocks to move.}
author: ImageNet on Hadoop
"""
EXAMPLES = r"""
- cluster_exclude: {directory: /data/imagenet, datanodes: ["192.0.2.21:21002"], timeout_s: 600, ...}
"""
RETURN = r"""
excluded: {description: DataNodes that have left., returned: success, type: list}
"""

POLL_S = 0.5
TELL_S = 60
REFRESH = (
    ("dfsadmin", "-refreshNodes"),
    ("org.apache.hadoop.yarn.client.cli.RMAdminCLI", "-refreshNodes"),
)


def main() -> None:
    """Write, tell, wait."""
    module = AnsibleModule(
        argument_spec={
            "directory": {"type": "path", "required": True},
            "hadoop_bin": {"type": "path", "required": True},
            "namenode_url": {"type": "str", "required": True},
            "datanodes": {"type": "list", "elements": "str", "default": []},
            "nodemanagers": {"type": "list", "elements": "str", "default": []},
            "timeout_s": {"type": "int", "default": 0},
        },
        supports_check_mode=True,
    )
    args = module.params
    conf = Path(args["directory"], "conf")
    changed = False
    for kind in ("datanodes", "nodemanagers"):
        path = conf / f"excluded-{kind}"
        wanted = "".join(f"{host}\n" for host in sorted(args[kind]))
        if path.read_text() != wanted:
            changed = True
            if not module.check_mode:
                path.write_text(wanted)
    if changed and not module.check_mode:
        for words in REFRESH:
            tell(module, [args["hadoop_bin"], *words])
    if args["datanodes"] and not module.check_mode:
        wait(module, set(args["datanodes"]))
    module.exit_json(changed=changed, excluded=args["datanodes"])


def tell(module: AnsibleModule, command: list[str]) -> None:
    """Let a master read its list."""
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TELL_S,
        check=False,
    )
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["it gave no reason"]
        module.fail_json(msg=f"{' '.join(command[-2:])} failed: {said[-1]}")


def wait(module: AnsibleModule, leaving: set[str]) -> None:
    """Wait until the NameNode calls all of them decommissioned, or dead."""
    deadline = time.monotonic() + module.params["timeout_s"]
    while True:
        left = {name: state for name, state in states(module).items() if name in leaving}
        busy = {name: state for name, state in left.items() if state["adminState"] != DONE}
        if not busy:
            return
        if time.monotonic() > deadline:
            name = sorted(busy)[0]
            module.fail_json(
                msg=f"DataNode {name} still holds {busy[name].get('numBlocks', '?')} blocks after "
                f"{module.params['timeout_s']} s ({busy[name]['adminState']}): the others may lack "
                "space, or are fewer than a block has replicas"
            )
        time.sleep(POLL_S)


DONE = "Decommissioned"


def states(module: AnsibleModule) -> dict[str, dict[str, Any]]:
    """Return what the NameNode says of its live DataNodes, by host:port."""
    url = module.params["namenode_url"]
    try:
        info = get(f"{url}/jmx?qry=Hadoop:service=NameNode,name=NameNodeInfo")["beans"][0]
    except (OSError, ValueError, LookupError) as error:
        module.fail_json(msg=f"the NameNode does not answer at {url}: {error}")
    return {node["xferaddr"]: node for node in json.loads(info["LiveNodes"]).values()}


if __name__ == "__main__":
    main()

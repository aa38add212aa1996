#!/usr/bin/python
"""Wait until the daemons of a cluster answer and are well, by their own web interfaces."""

from __future__ import annotations

import json
import re
import time
import urllib.parse
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible.module_utils import secure_http
from ansible.module_utils.cluster_directory import Refusal, read_mark
from ansible.module_utils.cluster_http import get
from ansible.module_utils.cluster_processes import find, listens

DOCUMENTATION = r"""
module: cluster_health
short_description: Ask a cluster's daemons how they are
description:
  - Polls until all is well, a daemon has died, or the time is over; never changes.
  - A daemon without a web interface is well when it listens on the port of its address.
options:
  id: {type: str, default: "", description: Identity of the cluster; empty is the mark's.}
  directory: {type: str, required: true, description: Directory of the cluster on this host.}
  daemons: {type: list, elements: str, required: true, description: Daemons of this host.}
  urls: {type: dict, required: true, description: Address of each kind of daemon.}
  datanodes: {type: int, required: true, description: How many must be live.}
  nodemanagers: {type: int, required: true, description: How many must be healthy.}
  regionservers:
    {type: int, default: 0, description: How many must be live, where there is HBase.}
  replicated:
    {type: bool, default: false, description: No block may lack a replica, no DataNode be silent.}
  timeout_s: {type: int, default: 0, description: 0 asks once and fails never.}
author: ImageNet on Hadoop
"""
EXAMPLES = r"""
- cluster_health: {id: 5f0c, directory: /data/imagenet, daemons: [namenode], urls: {}, ...}
"""
RETURN = r"""
health: {description: What each daemon says of itself., returned: always, type: dict}
"""

POLL_S = 0.25
BEANLESS_S = 3.0
SILENT_S = 30.0  # of a program that looks every half second
CAUSE = re.compile(r"(Caused by: )?[\w.$]+(Exception|Error)\b")


def main() -> None:
    """Poll the daemons of this host."""
    module = AnsibleModule(
        argument_spec={
            "id": {"type": "str", "default": ""},
            "directory": {"type": "str", "required": True},
            "daemons": {"type": "list", "elements": "str", "required": True},
            "urls": {"type": "dict", "required": True},
            "datanodes": {"type": "int", "required": True},
            "nodemanagers": {"type": "int", "required": True},
            "regionservers": {"type": "int", "default": 0},
            "replicated": {"type": "bool", "default": False},
            "timeout_s": {"type": "int", "default": 0},
        },
        supports_check_mode=True,
    )
    args = module.params
    secure_http.use(args["directory"])
    try:
        args["id"] = args["id"] or (read_mark(args["directory"]) or {}).get("id", "")
    except Refusal as refusal:
        module.fail_json(msg=str(refusal))
    deadline = time.monotonic() + args["timeout_s"]
    health = look(args)
    while args["timeout_s"] and not all(state["ok"] for state in health.values()):
        dead = [name for name, state in health.items() if state["pid"] is None]
        if dead or time.monotonic() > deadline:
            name = (dead or [name for name, state in health.items() if not state["ok"]])[0]
            module.fail_json(msg=explain(name, health[name], args), health=health)
        time.sleep(POLL_S)
        health = look(args)
    module.exit_json(changed=False, health=health)


def look(args: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Ask every daemon of this host once: {daemon: {pid, ok, says, figures}}."""
    found = find(args["id"], args["directory"]) if args["id"] else []
    running = {process.daemon: process.pid for process in found}
    health = {}
    for name in args["daemons"]:
        state = {"pid": running.get(name), "url": args["urls"][name], "ok": False, "figures": {}}
        if state["pid"] is None:
            state["says"] = "does not run"
        else:
            try:
                check = CHECKS.get(name)
                verdict = check(args) if check else check_port(state["pid"], state["url"])
                state["ok"], state["says"], state["figures"] = verdict
            except (OSError, ValueError, KeyError, IndexError) as error:
                state["says"] = f"does not answer at {state['url']}: {error}"
        health[name] = state
    return health


Verdict = tuple[bool, str, dict[str, Any]]


def check_namenode(args: dict[str, Any]) -> Verdict:
    """Ask for safe mode and the live DataNodes."""
    url = args["urls"]["namenode"]
    info = bean(url, "Hadoop:service=NameNode,name=NameNodeInfo")
    live = len(json.loads(info["LiveNodes"]))
    figures = {
        "live_datanodes": live,
        "capacity_bytes": info["Total"],
        "used_bytes": info["Used"],
        "free_bytes": info["Free"],
        "safemode": bool(info["Safemode"]),
    }
    if info["Safemode"]:
        return False, f"is in safe mode: {info['Safemode']}", figures
    if live < args["datanodes"]:
        return False, f"sees {live} of {args['datanodes']} DataNodes", figures
    return True, f"out of safe mode, {live} live DataNodes", figures


def check_datanode(args: dict[str, Any]) -> Verdict:
    """Ask the DataNode's page; whether it is live is the NameNode's to say."""
    info = bean(args["urls"]["datanode"], "Hadoop:service=DataNode,name=DataNodeInfo")
    if args["replicated"]:
        actors = json.loads(info["BPServiceActorInfo"])
        if any(actor["ActorState"] != "RUNNING" for actor in actors):
            return False, "is not registered yet", {}
        return check_replication(args)
    return True, "answers", {}


def check_replication(args: dict[str, Any]) -> Verdict:
    """Ask the NameNode whether all DataNodes report and every block has its replicas."""
    alive, says, figures = check_namenode(args)
    state = bean(args["urls"]["namenode"], "Hadoop:service=NameNode,name=FSNamesystem")
    lacking = state["UnderReplicatedBlocks"]
    if alive and lacking:
        return False, f"is up, but {lacking} blocks lack a replica", figures
    return alive, "answers" if alive else says, figures


def check_resourcemanager(args: dict[str, Any]) -> Verdict:
    """Ask for the healthy NodeManagers and the reason of those that are not."""
    url = args["urls"]["resourcemanager"]
    metrics = get(f"{url}/ws/v1/cluster/metrics")["clusterMetrics"]
    figures = {
        "active_nodemanagers": metrics["activeNodes"],
        "unhealthy_nodemanagers": metrics["unhealthyNodes"],
        "total_memory_mb": metrics["totalMB"],
        "allocated_memory_mb": metrics["allocatedMB"],
        "apps_running": metrics["appsRunning"],
    }
    if metrics["activeNodes"] >= args["nodemanagers"]:
        return True, f"{metrics['activeNodes']} healthy NodeManagers", figures
    says = f"sees {metrics['activeNodes']} of {args['nodemanagers']} healthy NodeManagers"
    if metrics["unhealthyNodes"]:
        nodes = get(f"{url}/ws/v1/cluster/nodes?states=UNHEALTHY")["nodes"]["node"]
        says += f": {nodes[0]['healthReport']}"
    return False, says, figures


def check_nodemanager(args: dict[str, Any]) -> Verdict:
    """Ask the NodeManager for its own opinion."""
    info = get(f"{args['urls']['nodemanager']}/ws/v1/node/info")["nodeInfo"]
    return info["nodeHealthy"], info.get("healthReport") or "healthy", {}


def check_historyserver(args: dict[str, Any]) -> Verdict:
    """Ask whether the history server answers."""
    get(f"{args['urls']['historyserver']}/ws/v1/history/info")
    return True, "answers", {}


def check_hmaster(args: dict[str, Any]) -> Verdict:
    """Ask HBase's master whether it is the active one, done with its start, and sees all others."""
    state = bean(args["urls"]["hmaster"], "Hadoop:service=HBase,name=Master,sub=Server")
    live = state["numRegionServers"]
    figures = {"live_regionservers": live, "dead_regionservers": state["numDeadRegionServers"]}
    if state["tag.isActiveMaster"] != "true" or not state["masterFinishedInitializationTime"]:
        return False, "is not active yet", figures
    if live < args["regionservers"]:
        return False, f"sees {live} of {args['regionservers']} region servers", figures
    return True, f"active, {live} live region servers", figures


def check_regionserver(args: dict[str, Any]) -> Verdict:
    """Ask a region server for its regions; whether it is live is the master's to say."""
    state = bean(args["urls"]["regionserver"], "Hadoop:service=HBase,name=RegionServer,sub=Server")
    regions = state["regionCount"]
    return True, f"serves {regions} regions", {"regions": regions}


def check_flume(args: dict[str, Any]) -> Verdict:
    """Ask Flume's agent for its counters; a source that met what it cannot bear has stopped."""
    found = get(f"{args['urls']['flume']}/metrics")
    source, channel, sink = (found[name] for name in ("SOURCE.drop", "CHANNEL.disk", "SINK.hdfs"))
    figures = {
        "images_taken": int(source["EventAcceptedCount"]),
        "images_waiting": int(channel["ChannelSize"]),
        "images_written": int(sink["EventDrainSuccessCount"]),
    }
    if int(source["GenericProcessingFail"]):
        return False, "its source has stopped: see its log, then `bin/pipeline restart`", figures
    told = ", ".join(f"{n} {name.removeprefix('images_')}" for name, n in figures.items())
    return True, f"images since its start: {told}", figures


def check_dropgate(args: dict[str, Any]) -> Verdict:
    """Read what the gate before Flume wrote last."""
    state = json.loads(Path(args["directory"], "run", "dropgate.json").read_text())
    figures = {name: state[name] for name in ("taken", "waiting", "spooled")}
    if time.time() - state["at_s"] > SILENT_S:
        return False, f"has not looked for {time.time() - state['at_s']:.0f} s", figures
    left = ", ".join(f"{n} {reason}" for reason, n in state["refused"].items())
    told = f"{state['taken']} let in, {state['waiting']} wait"
    return True, f"{told}; left alone: {left}" if left else told, figures


def check_port(pid: int, url: str) -> Verdict:
    """Look whether a daemon listens; a connection would leave an error in its log."""
    if listens(pid, urllib.parse.urlsplit(url).port or 0):
        return True, "listens", {}
    return False, f"does not listen yet at {url}", {}


CHECKS = {
    "namenode": check_namenode,
    "datanode": check_datanode,
    "resourcemanager": check_resourcemanager,
    "nodemanager": check_nodemanager,
    "historyserver": check_historyserver,
    "hmaster": check_hmaster,
    "regionserver": check_regionserver,
    "flume": check_flume,
    "dropgate": check_dropgate,
}


def bean(url: str, name: str) -> dict[str, Any]:
    """Read one JMX bean of a daemon.

    HBase takes its beans away for half a second after regions have moved
    (org.apache.hadoop.metrics2.impl.JmxCacheBuster), so they are asked for more than once.
    """
    deadline = time.monotonic() + BEANLESS_S
    while not (beans := get(f"{url}/jmx?qry={name}")["beans"]):
        if time.monotonic() > deadline:
            raise ValueError(f"has no bean {name}")
        time.sleep(POLL_S)
    return beans[0]


def explain(name: str, state: dict[str, Any], args: dict[str, Any]) -> str:
    """Say which daemon is not well, why, and the last error in its log."""
    log = Path(args["directory"], "logs", f"{name}.log")
    said = last_error(log) or last_error(log.with_suffix(".out"))
    return f"{name} {state['says']}; {said or 'no error in its log'}; see {log}"


def last_error(log: Path) -> str:
    """Return the last ERROR or FATAL line of a log with the exception that it names, if any."""
    try:
        lines = log.read_text(errors="replace").splitlines()
    except OSError:
        return ""
    marks = (" ERROR ", " FATAL ", "Exception in thread", "Error: ")
    at = [number for number, line in enumerate(lines) if any(mark in line for mark in marks)]
    if not at:
        return ""
    causes = [line.strip() for line in lines[at[-1] + 1 :] if CAUSE.match(line)]
    return ": ".join([lines[at[-1]].strip(), *causes[-1:]])


if __name__ == "__main__":
    main()

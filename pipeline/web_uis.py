"""The web pages of a cluster: where they are, what they are for, and whether they answer."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import requests

from mr_jobs.lib.errors import ClusterError
from pipeline import cluster_http, yarn
from pipeline.cluster import Cluster
from pipeline.cluster_mark import read_mark
from pipeline.lab_files import running_servers

_TIMEOUT_S = 5
_THREADS = 8
_WANTS_LOGIN = (401, 403)  # it is there, and asks a browser for a ticket or a token
# by the port of a component's daemon in the cluster's mark
_COMPONENT_PAGES = {
    "hmaster_http": ("HBase master", "/", "tables, regions, region servers"),
    "regionserver_http": ("HBase region server", "/", "its regions, requests and memory"),
    "hbasethrift_http": ("HBase Thrift", "/", "connections from Python"),
    "flume_http": ("Flume agent", "/metrics", "events received and written, as JSON"),
}


class Page(NamedTuple):
    """A web page; `what` it is for."""

    name: str
    url: str
    what: str


def pages(cluster: Cluster) -> Iterator[Page]:
    """Yield the pages of a cluster: of its daemons, of what runs on it, of its notebook server."""
    namenode, manager = cluster.webhdfs_url, cluster.resourcemanager_url
    yield Page("NameNode", f"{namenode}/", "files and blocks of HDFS, DataNodes, capacity")
    yield from _datanodes(cluster)
    yield Page("ResourceManager", f"{manager}/", "applications on YARN, queues, nodes")
    yield from _nodemanagers(cluster)
    history = f"{cluster.historyserver_url}/"
    yield Page("JobHistoryServer", history, "MapReduce jobs that are over: tasks, counters, logs")
    mark = read_mark(cluster.dir) or {}
    for port, (name, path, what) in _COMPONENT_PAGES.items():
        if port in mark.get("ports", {}):
            yield Page(name, f"http://{mark['address']}:{mark['ports'][port]}{path}", what)
    for app in yarn.unfinished(manager):
        if app.get("trackingUrl", "UNASSIGNED") != "UNASSIGNED":
            kind = "Spark" if app["applicationType"] == "SPARK" else "running job"
            yield Page(kind, str(app["trackingUrl"]), f"{app['name']}: stages and tasks")
    for url in running_servers(cluster.name):
        yield Page("JupyterLab", url, "notebooks; `bin/pipeline lab` printed its token")


def _datanodes(cluster: Cluster) -> Iterator[Page]:
    """Yield the DataNodes that the NameNode sees; without it, that of this machine."""
    scheme = cluster.webhdfs_url.partition(":")[0]
    found = yarn.namenode(cluster.webhdfs_url) or {}
    live: dict[str, Any] = json.loads(found.get("LiveNodes", "{}"))
    key = "infoSecureAddr" if scheme == "https" else "infoAddr"
    addresses = [str(node[key]) for node in live.values() if node.get(key)]
    for address in addresses or _own(cluster, "datanode_http"):
        yield Page("DataNode", f"{scheme}://{address}/", "the blocks on one host's disks")


def _nodemanagers(cluster: Cluster) -> Iterator[Page]:
    scheme = cluster.resourcemanager_url.partition(":")[0]
    nodes = yarn.nodes(cluster.resourcemanager_url) or []
    addresses = [str(node["nodeHTTPAddress"]) for node in nodes if node.get("nodeHTTPAddress")]
    for address in addresses or _own(cluster, "nodemanager_http"):
        yield Page("NodeManager", f"{scheme}://{address}/", "containers of one host, their logs")


def _own(cluster: Cluster, port: str) -> list[str]:
    """Return the address that the cluster's mark has for a daemon of this machine."""
    mark = read_mark(cluster.dir) or {}
    ports = mark.get("ports", {})
    return [f"{mark['address']}:{ports[port]}"] if port in ports else []


def checked(cluster: Cluster, found: Sequence[Page]) -> list[dict[str, Any]]:
    """Ask every page once, side by side.

    Returns
    -------
    name, url, what, of each; ok: whether it answers; says: in how many milliseconds, or why not.
    """
    with ThreadPoolExecutor(_THREADS) as pool:
        verdicts = pool.map(lambda page: _verdict(cluster, page.url), found)
        return [
            {**page._asdict(), "ok": ok, "says": says}
            for page, (ok, says) in zip(found, verdicts, strict=True)
        ]


def _verdict(cluster: Cluster, url: str) -> tuple[bool, str]:
    began = time.monotonic()
    try:
        session = cluster_http.session(cluster.webhdfs_url)
        with session.get(url, timeout=_TIMEOUT_S, stream=True) as answer:
            took_ms = (time.monotonic() - began) * 1000
            if answer.status_code in _WANTS_LOGIN:
                return True, "answers, and asks for a login"
            if answer.ok:
                return True, f"answers in {took_ms:.0f} ms"
            return False, f"answers {answer.status_code} {answer.reason}"
    except requests.Timeout:
        return False, f"does not answer within {_TIMEOUT_S} s"
    except (requests.RequestException, ClusterError):
        return False, "does not answer"

"""The landing folder of a cluster's Flume: what is on its way there, and files left by a crash.

A landing file is hidden while it is written. That of an agent which was killed stays so for ever,
although all in it was acknowledged up to its last whole block: it is closed and renamed here.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
from dataclasses import dataclass
from typing import Any

import requests

from mr_jobs.lib.errors import ClusterError
from pipeline import cluster as clusters
from pipeline import cluster_http
from pipeline.cluster import Cluster
from pipeline.cluster_mark import has_no
from pipeline.layouts.landing import RECOVERED, SUFFIX
from pipeline.progress import Progress
from pipeline.stores import HdfsStore

_IN_USE = re.compile(r"\.(images\.(\d+))" + re.escape(SUFFIX) + r"\.tmp")
_ANSWER_S = 10.0
_POLL_S = 0.5
_SETTLED_S = 1.0
_RECOVERY_S = 120
_LEASE = "org.apache.hadoop.hdfs.tools.DebugAdmin"  # hdfs debug


@dataclass(frozen=True)
class Flow:
    """Where the images are that did not land yet.

    Attributes
    ----------
    dropped : in the drop folder, waiting until they are whole or there is room.
    spooled : let in, before the agent. `channel`: in its channel, before HDFS.
    open_files : landing files that are still written to.
    refused : count of files that stay in the drop folder, by reason.
    started_ms : when the agent's sink began, in ms since 1970; None if it does not run.
    """

    dropped: int
    spooled: int
    channel: int
    open_files: int
    refused: dict[str, int]
    started_ms: int | None

    @property
    def is_empty(self) -> bool:
        """Say whether all that was dropped has landed."""
        return not (self.dropped or self.spooled or self.channel or self.open_files)


class Landing:
    """The landing folder of a cluster.

    Raises
    ------
    ConfigError
        The cluster has no Flume.
    """

    def __init__(self, cluster: Cluster) -> None:
        if cluster.flume_landing is None or cluster.flume_url is None or cluster.drop_dir is None:
            raise has_no(cluster.name, "Flume")
        self._cluster = cluster
        self._url = cluster.flume_url
        self.drop_dir = cluster.drop_dir
        self._store = HdfsStore(cluster.webhdfs_url, cluster.fs_uri, cluster.flume_landing)

    @property
    def uri(self) -> str:
        """The folder, as a data set."""
        return self._store.uri("").rstrip("/")

    def files(self) -> list[str]:
        """Name the landing files that are closed."""
        return [name for name in self._store.list("") if name.endswith(SUFFIX) and name[0] != "."]

    def flow(self) -> Flow:
        """Ask the gate and the agent what is on its way, and HDFS for files that are open."""
        gate, counters = self._gate(), self._counters()
        sink, channel = counters.get("SINK.hdfs", {}), counters.get("CHANNEL.disk", {})
        return Flow(
            dropped=int(gate.get("waiting", 0)),
            spooled=int(gate.get("spooled", 0)),
            channel=int(channel.get("ChannelSize", 0)),
            open_files=len(self._in_use()),
            refused=gate.get("refused", {}),
            started_ms=int(sink["StartTime"]) if sink else None,
        )

    def wait(self, limit_s: float, progress: Progress) -> Flow:
        """Wait until all that was dropped has landed.

        Raises
        ------
        ClusterError
            It has not within the limit, or the agent does not run.
        """
        deadline = time.monotonic() + limit_s
        before = ""
        settled = 0  # looks in a row: an image is nowhere for a moment between two places
        while settled < 2 * (_SETTLED_S // _POLL_S):
            flow = self.flow()
            told = (
                f"{flow.dropped} in the drop folder, {flow.spooled} let in, {flow.channel} in the "
                f"channel, {flow.open_files} landing files open"
            )
            if flow.started_ms is None or time.monotonic() > deadline:
                why = "its agent does not run" if flow.started_ms is None else f"after {limit_s} s"
                raise ClusterError(
                    f"Flume of cluster {self._cluster.name} has not landed all, {why}: {told}; see "
                    f"`bin/pipeline status --name {self._cluster.name}`"
                )
            settled = settled + 1 if flow.is_empty else 0
            if told != before:
                progress.note(told)
            before = told
            time.sleep(_POLL_S)
        return flow

    def recover(self, progress: Progress) -> list[str]:
        """Close the landing files of agents that were killed; return their new names."""
        started_ms = self.flow().started_ms
        found = []
        for hidden, plain, begun_ms in self._in_use():
            if started_ms is not None and begun_ms >= started_ms:
                continue  # the agent that runs writes to it
            self._close(hidden)
            self._store.rename(hidden, f"{plain}{RECOVERED}")
            progress.note(f"{plain}: its agent was killed; closed")
            found.append(f"{plain}{RECOVERED}")
        return found

    def _in_use(self) -> list[tuple[str, str, int]]:
        """List (name, name without its marks, when it was begun in ms) of files that are open."""
        matches = [_IN_USE.fullmatch(name) for name in self._store.list("")]
        return [(match[0], match[1], int(match[2])) for match in matches if match]

    def _close(self, name: str) -> None:
        """Take a file's lease from its dead writer, so that its length is known."""
        path = f"{self._cluster.flume_landing}/{name}"
        command = [str(self._cluster.hadoop_bin), _LEASE, "recoverLease"]
        done = subprocess.run(
            [*command, "-path", path, "-retries", "30"],
            capture_output=True,
            text=True,
            check=False,
            timeout=_RECOVERY_S,
        )
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines() or ["no word"]
            raise ClusterError(
                f"{self._store.uri(name)}: HDFS did not close it ({said[-1]}); see "
                f"`bin/pipeline status --name {self._cluster.name}`, then land again"
            )

    def _gate(self) -> dict[str, Any]:
        """Read what the gate wrote last; from another host by its status."""
        state = self._cluster.dir / "run" / "dropgate.json"
        if state.is_file():
            told: dict[str, Any] = json.loads(state.read_text("utf-8"))
            return told
        health = clusters.status(self._cluster.name, directory=self._cluster.dir)["daemons"]
        found: dict[str, Any] = next(
            (told["figures"] for name, told in health.items() if name.startswith("dropgate")), {}
        )
        return found

    def _counters(self) -> dict[str, dict[str, str]]:
        """Ask the agent for its counters; none where it does not run."""
        try:
            answer = cluster_http.session(self._url).get(f"{self._url}/metrics", timeout=_ANSWER_S)
            found: dict[str, dict[str, str]] = answer.json()
        except (requests.RequestException, ValueError):
            return {}
        return found

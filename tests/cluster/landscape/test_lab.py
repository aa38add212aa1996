"""JupyterLab: started for a cluster, opened with its token, used in a browser, ended, gone."""

from __future__ import annotations

import json
import signal
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pexpect
import pytest
import requests

from pipeline.cluster import Cluster
from pipeline.lab_files import NOTEBOOKS
from tests.cluster.landscape.browser import browser
from tests.cluster.landscape.preset import ask, talk
from tests.cluster.pipelines import processes

pytestmark = [pytest.mark.cluster, pytest.mark.landscape, pytest.mark.lab]
FIRST = "1-hello-hdfs-and-mapreduce.ipynb"
LISTENING = "0A"  # linux/tcp_states.h


class Lab:
    """A lab that runs."""

    def __init__(self, place: Path, cluster: Cluster) -> None:
        self.place = place / "lab" / cluster.name
        self.child: pexpect.spawn = talk(place, cluster, "lab")
        self.child.expect(r"(http://127\.0\.0\.1:\d+/)lab\?token=([0-9a-f]{48})\r\n")
        found: Any = self.child.match
        self.url, self.token = str(found[1]), str(found[2])

    @property
    def link(self) -> str:
        return f"{self.url}lab?token={self.token}"

    def ask(self, method: str, path: str, **json_body: str) -> requests.Response:
        headers = {"Authorization": f"token {self.token}"}
        return requests.request(
            method, f"{self.url}api/{path}", headers=headers, json=json_body or None, timeout=30
        )

    def pids(self) -> list[int]:
        """Return the server and its kernels: what has its place in its command or environment."""
        found = []
        for pid in processes(
            lambda argv, _: any("jupyterlab" in a or "ipykernel" in a for a in argv)
        ):
            try:
                environment = Path(f"/proc/{pid}/environ").read_bytes()
            except OSError:
                continue
            if str(self.place).encode() in environment:
                found.append(pid)
        return found


@pytest.fixture
def lab(cluster: Cluster, tmp_path: Path) -> Iterator[Lab]:
    running = Lab(tmp_path, cluster)
    yield running
    running.child.close(force=True)
    wait_until_gone(running)


def wait_until_gone(lab: Lab) -> None:
    deadline = time.monotonic() + 60
    while lab.pids():
        assert time.monotonic() < deadline, f"still there: {lab.pids()}"
        time.sleep(0.1)


def addresses_of(pids: list[int]) -> set[str]:
    """Return the addresses, as /proc/net/tcp writes them, at which processes listen."""
    inodes = set()
    for pid in pids:
        for link in Path(f"/proc/{pid}/fd").iterdir():
            try:
                inodes.add(str(link.readlink()))
            except OSError:
                continue
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTENING and f"socket:[{fields[9]}]" in inodes:
                found.add(fields[1].partition(":")[0])
    return found


def test_only_its_token_opens_it_and_only_from_this_machine(lab: Lab) -> None:
    assert requests.get(f"{lab.url}api/contents", timeout=30).status_code == 403
    assert lab.ask("GET", "contents").status_code == 200
    token = lab.place / "server" / "token"
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    assert stat.S_IMODE(token.parent.stat().st_mode) == 0o700
    kernel = lab.ask("POST", "kernels", name="python3").json()["id"]
    assert len(lab.pids()) == 2  # the server, and a kernel
    assert addresses_of(lab.pids()) == {"0100007F"}
    for pid in [lab.child.pid, *lab.pids()]:
        assert lab.token.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()
    assert lab.ask("DELETE", f"kernels/{kernel}").status_code == 204


def test_it_has_the_notebooks_and_one_kernel(lab: Lab, cluster: Cluster, tmp_path: Path) -> None:
    names = [file["name"] for file in lab.ask("GET", "contents").json()["content"]]
    kernels: dict[str, Any] = lab.ask("GET", "kernelspecs").json()["kernelspecs"]

    assert set(names) == {path.name for path in NOTEBOOKS.glob("*.ipynb")}
    assert list(kernels) == ["python3"]
    assert kernels["python3"]["spec"]["display_name"] == f"Python, cluster {cluster.name}"
    pages = json.loads(ask(tmp_path, cluster, "ui", "--json").stdout)["pages"]
    assert [page["url"] for page in pages if page["name"] == "JupyterLab"] == [lab.url]


def test_a_second_one_is_told_of_the_first(lab: Lab, cluster: Cluster, tmp_path: Path) -> None:
    done = ask(tmp_path, cluster, "lab")

    assert done.returncode == 2
    assert f"JupyterLab of this cluster runs already at {lab.url}" in done.stderr
    assert lab.ask("GET", "contents").status_code == 200  # its token is still the first one's


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_with_its_kernels(lab: Lab, end: signal.Signals) -> None:
    lab.ask("POST", "kernels", name="python3")
    if end == signal.SIGINT:
        lab.child.sendintr()
    else:
        lab.child.kill(end)
    lab.child.expect_exact("lab: ended; the notebooks stay")
    lab.child.expect(pexpect.EOF)
    lab.child.close()

    assert lab.child.exitstatus == 0
    wait_until_gone(lab)
    assert not (lab.place / "server" / "token").exists()
    assert (lab.place / "work" / FIRST).exists()


def test_it_ends_when_what_started_it_is_killed(lab: Lab) -> None:
    lab.ask("POST", "kernels", name="python3")
    lab.child.kill(signal.SIGKILL)

    wait_until_gone(lab)


def test_a_browser_shows_a_notebook_and_asks_nobody_else(lab: Lab) -> None:
    with browser() as page:
        page.open(lab.link.replace("/lab?", f"/lab/tree/{FIRST}?"))
        page.wait_for("document.querySelector('.jp-Notebook .jp-RenderedMarkdown h1') !== null")
        page.wait_for("document.body.innerText.includes('Hello, HDFS and MapReduce')")
        assert "Jupyter news" not in page.evaluate("document.body.innerText")  # it would ask
        asked = page.evaluate("performance.getEntriesByType('resource').map(e => e.name).join(' ')")

    assert {url.split("/")[2] for url in asked.split() if url.startswith(("http", "ws"))} == {
        lab.url.split("/")[2]
    }

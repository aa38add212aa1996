"""`bin/pipeline ui` asks every page of a cluster, and says which do not answer."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from pipeline import cluster_mark, lab_files, web_uis
from pipeline.cluster_mark import MARK, Cluster
from tests.pipeline.conftest import Answer

NOBODY = "http://127.0.0.1:9"


class Daemon(BaseHTTPRequestHandler):
    """A NameNode and ResourceManager in one, with a DataNode and a NodeManager at its address."""

    address: ClassVar[str] = ""
    statuses: ClassVar[dict[str, int]] = {}

    def do_GET(self) -> None:
        live = json.dumps({"here": {"infoAddr": self.address, "infoSecureAddr": ""}})
        job = {"trackingUrl": f"http://{self.address}/proxy/1/", "applicationType": "SPARK"}
        answers: dict[str, Any] = {
            "/jmx": {"beans": [{"LiveNodes": live}]},
            "/ws/v1/cluster/nodes": {"nodes": {"node": [{"nodeHTTPAddress": self.address}]}},
            "/ws/v1/cluster/apps": {"apps": {"app": [job | {"name": "shell"}]}},
        }
        path = self.path.partition("?")[0]
        self.send_response(self.statuses.get(path, 200))
        self.end_headers()
        self.wfile.write(json.dumps(answers.get(path, {})).encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Daemon)
    Daemon.address = f"127.0.0.1:{server.server_port}"
    Daemon.statuses = {}
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://{Daemon.address}"
    server.shutdown()
    server.server_close()


def make_cluster(place: Path, url: str, historyserver_url: str) -> Cluster:
    """Write the mark of a cluster whose daemons are all at one address, and load it."""
    known: dict[str, Any] = {
        name: str(place)
        for name, fact in cluster_mark.Cluster.__dataclass_fields__.items()
        if not str(fact.type).endswith("None")
    }
    port = int(url.rpartition(":")[2])
    known |= {"name": "test", "id": "test-1", "port_base": 9, "address": "127.0.0.1"}
    known |= {"webhdfs_url": url, "resourcemanager_url": url, "dir": str(place)}
    known |= {"historyserver_url": historyserver_url}
    known["ports"] = {"hmaster_http": port, "flume_http": 9, "datanode_http": 9}
    (place / MARK).write_text(json.dumps(known))
    return Cluster.load(place)


@pytest.fixture(autouse=True)
def _no_labs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab_files, "LABS", tmp_path / "labs")


def test_the_pages_are_those_of_daemons_components_jobs_and_notebooks(
    tmp_path: Path, url: str
) -> None:
    runtime = lab_files.lab_dir("test") / "server" / "runtime"
    runtime.mkdir(parents=True)
    (runtime / "jpserver-1.json").write_text(json.dumps({"pid": 1, "url": "http://lab/"}))
    (runtime / "jpserver-2.json").write_text(json.dumps({"pid": 1 << 30, "url": "http://gone/"}))
    (runtime / "jpserver-3.json").write_text("{")

    found = list(web_uis.pages(make_cluster(tmp_path, url, NOBODY)))

    assert [(page.name, page.url) for page in found] == [
        ("NameNode", f"{url}/"),
        ("DataNode", f"{url}/"),
        ("ResourceManager", f"{url}/"),
        ("NodeManager", f"{url}/"),
        ("JobHistoryServer", f"{NOBODY}/"),
        ("HBase master", f"{url}/"),
        ("Flume agent", f"{NOBODY}/metrics"),
        ("Spark", f"{url}/proxy/1/"),
        ("JupyterLab", "http://lab/"),
    ]
    assert all(page.what for page in found)


def test_a_silent_namenode_leaves_the_datanode_that_the_mark_knows(tmp_path: Path) -> None:
    found = {page.name: page.url for page in web_uis.pages(make_cluster(tmp_path, NOBODY, NOBODY))}

    assert found["DataNode"] == f"{NOBODY}/"


def test_a_page_answers_asks_for_a_login_fails_or_is_silent(tmp_path: Path, url: str) -> None:
    Daemon.statuses = {"/login": 401, "/broken": 500}
    urls = [f"{url}/", f"{url}/login", f"{url}/broken", f"{NOBODY}/"]
    cluster = make_cluster(tmp_path, url, NOBODY)

    found = web_uis.checked(cluster, [web_uis.Page("page", each, "test") for each in urls])

    assert [page["ok"] for page in found] == [True, True, False, False]
    assert found[0]["says"].startswith("answers in ")
    assert found[1]["says"] == "answers, and asks for a login"
    assert found[2]["says"].startswith("answers 500")
    assert found[3]["says"] == "does not answer"


def test_a_silent_page_is_named_and_gives_exit_code_3(tmp_path: Path, url: str, cli: Any) -> None:
    make_cluster(tmp_path, url, NOBODY)

    answer: Answer = cli("ui", "--name", "test", "--cluster-dir", tmp_path)

    assert answer.code == 3
    assert answer.err.startswith("pipeline ui: JobHistoryServer, Flume agent of cluster test: no a")
    assert [line.split("  ")[0] for line in answer.out.splitlines()][:2] == ["NameNode", "DataNode"]
    assert len(answer.out.splitlines()) == 8


def test_all_well_is_exit_code_0_and_json_has_every_page(
    tmp_path: Path, url: str, cli: Any
) -> None:
    make_cluster(tmp_path, url, url)
    mark = json.loads((tmp_path / MARK).read_text())
    (tmp_path / MARK).write_text(json.dumps(mark | {"ports": {}}))

    answer: Answer = cli("ui", "--name", "test", "--cluster-dir", tmp_path, "--json")

    assert answer.code == 0
    assert {page["ok"] for page in answer.json()["pages"]} == {True}
    assert answer.json()["name"] == "test"


def test_without_a_cluster_it_says_how_to_start_one(tmp_path: Path, cli: Any) -> None:
    answer: Answer = cli("ui", "--cluster-dir", tmp_path / "none")

    assert (answer.code, answer.out) == (2, "")
    assert "there is no cluster imagenet; start it with `bin/pipeline up`" in answer.err

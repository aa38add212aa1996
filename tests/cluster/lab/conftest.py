"""Several hosts with a cluster on them, for the tests of this folder."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline import cluster as clusters
from pipeline.cluster import Cluster
from pipeline.sample import write_sample
from tests.cluster import pipelines as p
from tests.cluster.conftest import deployed
from tests.cluster.lab.hosts import SCRIPT, Lab, Traces, lab

N_HOSTS = 5  # a master, three workers and one to come
MASTER, WORKERS, SPARE = "h1", ["h2", "h3", "h4"], "h5"


@dataclass(frozen=True)
class Several:
    """A cluster on some of the hosts of a lab; `before`: what was on them before it."""

    lab: Lab
    cluster: Cluster
    inventory: Path
    created: clusters.UpResult
    before: Traces


def missing() -> str:
    """Say what this machine lacks for hosts of its own; nothing if it can have them."""
    if not SCRIPT.is_file():
        return f"{SCRIPT} is not there"
    if os.getuid() != 0:
        return "only root can make network namespaces"
    lacking = [name for name in ("sshd", "sudo", "ip", "ssh") if not shutil.which(name)]
    return (
        f"not installed: {', '.join(lacking)} (Debian: openssh-server sudo iproute2)"
        if (lacking)
        else ""
    )


@pytest.fixture(scope="session")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Five hosts; tests are skipped where there can be none."""
    if said := missing():
        pytest.skip(said)
    with lab(tmp_path_factory.mktemp("lab") / "hosts", N_HOSTS) as found:
        yield found


@pytest.fixture(scope="session")
def several(
    hosts: Lab, _own_places: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Several]:
    """A cluster of a master and three workers, destroyed in any case."""
    place = tmp_path_factory.mktemp("gateway") / f"several-{uuid.uuid4().hex[:8]}"
    inventory = hosts.inventory(place.with_suffix(".yml"), MASTER, WORKERS)
    before = hosts.all_traces()
    with deployed(place, inventory=inventory) as up:
        yield Several(hosts, up.cluster, inventory, up, before)


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small data set."""
    root = tmp_path_factory.mktemp("data") / "sample"
    write_sample(root, n_classes=3, n_images=60, seed=5)
    return root


@pytest.fixture(scope="session")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Few features and small bundles, so that every worker gets tasks."""
    path = tmp_path_factory.mktemp("config") / "small.toml"
    path.write_text('[data]\nbundle_mb = 1\n[features]\nfeatures = ["hog", "hsv_pyramid"]\n')
    return path


@pytest.fixture(scope="session")
def expected(sample: Path, config: Path) -> Iterator[bytes]:
    """The predictions of the inline runner."""
    run_id = f"test-{uuid.uuid4().hex[:8]}"
    with p.forgotten(run_id):
        result = p.run(
            "full", "--data", sample, "--config", config, "--runner", "inline", "--run-id", run_id
        )
        yield (Path(result["run_dir"]) / "predictions.tsv").read_bytes()

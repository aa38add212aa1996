"""Class archives are of one place of the jars: Java takes one of other places, and fails later."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from pipeline.playbooks import ANSIBLE_DIR


def archive(name: str, cache: Path) -> str:
    """Return the path of a class archive, with the distributions in a cache of this machine."""
    facts = {
        "cluster_is_here": True,
        "cluster_secure": False,
        "base_machine": {"java_id": "17"},
        "cluster_controller": {
            f"{of}_jars": {"home": f"{cache}/{of}-1", "archives": []}
            for of in ("base", "hive", "hbase")
        },
    }
    done = subprocess.run(
        ["ansible", "all", "-c", "local", "-i", "localhost,", "--playbook-dir", ANSIBLE_DIR,
         "-m", "debug", "-a", f"var={name}_archive", "-e", json.dumps(facts)],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    found: str = json.loads(done.stdout.partition("=>")[2])[f"{name}_archive"]
    return found


@pytest.mark.parametrize("name", ["hadoop", "hive", "hbase"])
def test_jars_that_were_moved_get_an_archive_of_their_own(name: str) -> None:
    here, there = archive(name, Path("/one")), archive(name, Path("/other"))

    assert here.startswith("/one/")
    assert there.startswith("/other/")
    assert Path(here).name != Path(there).name

"""The five notebooks run from top to bottom, and say what their stored outputs say."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline import cluster as clusters
from pipeline.cluster import Cluster
from pipeline.lab_files import NOTEBOOKS, copy_notebooks, options_from, write_kernel
from pipeline.runs import all_runs
from tests.cluster.conftest import say
from tests.cluster.pipelines import forgotten

pytestmark = [
    pytest.mark.cluster, pytest.mark.landscape, pytest.mark.lab, pytest.mark.hbase,
    pytest.mark.spark,
]  # fmt: skip
NAMES = [path.name for path in sorted(NOTEBOOKS.glob("*.ipynb"))]


@pytest.fixture(scope="module")
def lab(
    cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Path, dict[str, str]]]:
    """Add Hive and HBase to the session's cluster; make a work folder, and a kernel for both."""
    whole = clusters.up(
        cluster.name, directory=cluster.dir, components=["hive", "hbase"], progress=say
    ).cluster
    place = tmp_path_factory.mktemp("lab")
    copy_notebooks(place / "work")
    options = options_from("")
    options.name, options.cluster_dir = whole.name, whole.dir
    before, known = dict(os.environ), {run.run_id for run in all_runs()}
    yield place / "work", write_kernel(place / "server", options)
    os.environ.clear()
    os.environ.update(before)
    with forgotten(*({run.run_id for run in all_runs()} - known)):
        pass


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_runs_and_says_what_its_stored_outputs_say(
    lab: tuple[Path, dict[str, str]], name: str
) -> None:
    from pipeline.lab_execute import execute

    work, variables = lab

    execute([name], work, variables, say)

    now, stored = shape(work / name), shape(NOTEBOOKS / name)
    assert now == stored


def shape(path: Path) -> list[tuple[str, set[str]]]:
    """Return the cells of a notebook and the kinds of what each puts out."""
    cells: list[dict[str, Any]] = json.loads(path.read_text("utf-8"))["cells"]
    return [("".join(cell["source"]), set(_kinds(cell))) for cell in cells]


def _kinds(cell: dict[str, Any]) -> Iterator[str]:
    for output in cell.get("outputs", ()):
        if output.get("name") == "stdout":  # what goes to stderr is progress
            yield "stdout"
        yield from output.get("data", {})

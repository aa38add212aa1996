"""What JupyterLab gets: a private place, a kernel for this cluster, notebooks that stay."""

from __future__ import annotations

import json
import stat
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

from pipeline import lab_files
from pipeline.playbooks import ROOT

NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
PRIVATE = ("/root", "/home/", "/tmp/", "/var/", str(ROOT))  # noqa: S108


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_token_is_new_each_time_and_its_owners_alone(tmp_path: Path) -> None:
    first = lab_files.write_token(tmp_path).read_text()
    path = lab_files.write_token(tmp_path)

    assert mode(path) == 0o600
    assert len(path.read_text()) == 48
    assert path.read_text() != first


def test_a_kernel_knows_its_cluster_and_takes_no_module_from_beside_a_notebook(
    tmp_path: Path,
) -> None:
    options = lab_files.options_from("")
    options.name, options.cluster_dir = "mine", Path("elsewhere")

    variables = lab_files.write_kernel(tmp_path / "server", options)

    assert mode(tmp_path / "server") == 0o700
    spec = json.loads(
        (Path(variables["JUPYTER_PATH"]) / "kernels" / "python3" / "kernel.json").read_text()
    )
    assert spec["argv"][1] == "-P"
    known = lab_files.options_from(spec["env"][lab_files.OPTIONS])
    assert known.name == "mine"
    assert known.cluster_dir == Path("elsewhere").absolute()
    assert known == lab_files.options_from(lab_files.options_of(known))


def test_jupyter_keeps_to_its_place_and_tells_nobody(tmp_path: Path) -> None:
    variables = lab_files.write_kernel(tmp_path / "server", Namespace(name="mine"))

    inside = [v for name, v in variables.items() if name.startswith("JUPYTER_")]
    assert len(inside) == 4
    assert all(value.startswith(str(tmp_path / "server")) for value in inside)
    assert variables["PLOOMBER_STATS_ENABLED"] == "false"
    assert not [value for value in variables.values() if "token" in value]


def test_notebooks_are_copied_and_the_users_own_are_left_alone(tmp_path: Path) -> None:
    names = lab_files.copy_notebooks(tmp_path / "work")
    mine = tmp_path / "work" / names[0]
    mine.write_text("mine")

    assert lab_files.copy_notebooks(tmp_path / "work") == names == [p.name for p in NOTEBOOKS]
    assert mine.read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "folder"), [("dev", "dev"), ("hdfs://a.b:8020", "hdfs-a-b-8020"), ("..", "local")]
)
def test_the_folder_of_a_lab_is_named_by_its_cluster(name: str, folder: str) -> None:
    assert lab_files.lab_dir(name) == lab_files.LABS / folder


def read(path: Path) -> dict[str, Any]:
    book: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return book


def test_there_are_five_notebooks() -> None:
    assert [path.name.partition("-")[0] for path in NOTEBOOKS] == ["1", "2", "3", "4", "5"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_stored_as_it_ran_from_top_to_bottom(path: Path) -> None:
    cells = [cell for cell in read(path)["cells"] if cell["cell_type"] == "code"]

    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert {output["output_type"] for output in outputs} <= {
        "stream", "execute_result", "display_data",
    }  # fmt: skip


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_explains_itself_and_names_no_path_of_a_machine(path: Path) -> None:
    book = read(path)
    texts = [cell["cell_type"] == "markdown" for cell in book["cells"]]
    outputs = json.dumps([cell.get("outputs") for cell in book["cells"]], ensure_ascii=False)

    assert texts[0]
    assert sum(texts) >= len(texts) / 3
    assert book["metadata"]["kernelspec"]["name"] == "python3"
    assert [place for place in PRIVATE if place in outputs] == []

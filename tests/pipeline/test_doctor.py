"""The small-file doctor: counts worked by hand, and an advice that fits them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def small_files(tmp_path: Path) -> Path:
    root = tmp_path / "small files"
    for wnid in ("n01", "n02"):
        (root / wnid).mkdir(parents=True)
        for number in range(600):
            (root / wnid / f"{number}.JPEG").write_bytes(bytes(100 if number else 5000))
    return root


def test_what_small_files_cost_and_bundles_save_is_counted(cli: Any, small_files: Path) -> None:
    answer = cli("doctor", small_files, "--json")

    result = answer.json()
    assert answer.code == 0
    assert result["layout"] == "class folders: 2 sources of train"
    assert (result["files"], result["folders"], result["bytes"]) == (1200, 3, 1198 * 100 + 2 * 5000)
    assert (result["median_bytes"], result["largest_bytes"]) == (100, 5000)
    assert (result["objects"], result["heap_bytes"]) == (2403, 2403 * 150)
    assert (result["bundles"], result["bundle_objects"]) == (1, 3)
    assert result["saved_objects"] == 2400
    assert result["histogram"] == [[0, 1024, 1198], [1024, 4096, 0], [4096, 16384, 2]]
    assert result["command"] == f"bin/pipeline ingest '{small_files}'"


def test_people_get_the_advice_and_the_command(cli: Any, small_files: Path) -> None:
    out = cli("doctor", small_files).out

    assert "2,403 objects in the NameNode" in out
    assert "801 times fewer objects" in out
    assert out.endswith(f"bin/pipeline ingest '{small_files}'\n")


def test_a_few_large_files_are_no_problem(cli: Any, tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    with (tmp_path / "x" / "large.bin").open("wb") as file:
        file.truncate(300 << 20)

    result = cli("doctor", tmp_path / "x", "--json").json()

    assert result["objects"] == 1 + 1 + 3
    assert not result["worth_it"]
    assert result["layout"].startswith("not one to ingest: ")


def test_a_directory_that_is_not_there_or_empty_is_a_usage_error(cli: Any, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name, told in (("nowhere", "no such directory"), ("empty", "holds no file")):
        answer = cli("doctor", tmp_path / name)
        assert answer.code == 2
        assert told in answer.err.splitlines()[-1]

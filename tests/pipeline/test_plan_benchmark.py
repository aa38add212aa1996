"""The measurements of scale, at a small one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.scale import insert, verdict
from benchmarks.scale_driver import PATHS, write_tables


def test_a_small_run_prints_a_line_for_each_number_of_images(
    repo_root: Path, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.scale", "--images", "10,20", "--runner", "inline",
         "--work", str(tmp_path)],
        cwd=repo_root, check=True, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip

    table = [line for line in done.stdout.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    assert [row[0] for row in cells] == ["images", "---:", "10", "20"]
    assert all(float(row[6]) > 0 for row in cells[2:])  # the driver's memory
    assert "An image of 20 takes " in done.stdout or " are too few to tell" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_images_that_take_no_time_are_too_few_to_tell() -> None:
    found = [{"images": n, "cpu_ms": ms, "wall_ms": 5.0} for n, ms in ((10, 0.0), (20, 1.5))]

    assert verdict(found) == "10 images are too few to tell what one takes."
    assert verdict(found[1:]).startswith("An image of 20 takes 1.00 times the CPU of one of 20")


@pytest.mark.parametrize("name", PATHS)
def test_each_path_of_the_driver_works_on_made_tables(name: str, tmp_path: Path) -> None:
    write_tables(tmp_path, 100, located=name == "index")

    PATHS[name][1](tmp_path)


def test_a_table_is_put_into_its_place_in_a_page(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- measured x -->\nold\n<!-- end of measured x -->\nafter\n")

    insert(page, "measured x", "| new |")

    expected = "before\n<!-- measured x -->\n| new |\n<!-- end of measured x -->\nafter\n"
    assert page.read_text() == expected
    with pytest.raises(SystemExit, match="has no place for measured y"):
        insert(page, "measured y", "")

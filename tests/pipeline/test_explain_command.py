"""`bin/pipeline explain`: a table, a grid, a picture and a page of what spoke for a class."""

from __future__ import annotations

import base64
import io
import re
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from pipeline.explain_picture import AGAINST, FOR, heat_map
from tests.models.made_model import encode, save_model


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("saved"))


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.jpg"
    path.write_bytes(encode("n02", 12))
    return path


def test_the_table_adds_up_to_the_lead_of_the_class(cli: Any, saved: Path, photo: Path) -> None:
    answer = cli("explain", saved, photo)

    assert answer.code == 0, answer.err
    lines = answer.out.splitlines()
    assert lines[0].startswith("n02 green thing is ahead of n0")
    table = [line.split() for line in lines[2:8]]
    assert [row[0] for row in table] == [
        *("feature", "hog", "hsv_pyramid", "lab_pixels", "intercept", "ahead")
    ]
    sums = [float(row[-1]) for row in table[1:]]
    assert sum(sums[:-1]) == pytest.approx(sums[-1], rel=2e-3)


def test_the_grid_has_a_sign_and_a_shade_a_cell(cli: Any, saved: Path, photo: Path) -> None:
    answer = cli("explain", saved, photo)

    grid = [line[2:] for line in answer.out.splitlines() if re.fullmatch(r"  [ +·░▒▓█-]{24}", line)]
    assert len(grid) == 12
    pairs = {row[at : at + 2] for row in grid for at in range(0, 24, 2)}
    assert pairs <= {" ·", *(sign + shade for sign in "+-" for shade in "░▒▓█")}
    assert pairs & {"+█", "-█"}


def test_json_has_the_sums_and_the_cells(cli: Any, saved: Path, photo: Path) -> None:
    result = cli("explain", saved, photo, "--class", "n01", "--json").json()

    assert result["class"] == {"wnid": "n01", "words": "blue thing"}
    assert result["other"]["wnid"] == "n02"
    assert result["ahead"] < 0
    total = result["intercept"] + sum(each["total"] for each in result["features"])
    assert total == pytest.approx(result["ahead"], rel=1e-9)
    assert np.sum(result["cells"]) == pytest.approx(
        sum(each["in_cells"] for each in result["features"]), rel=1e-9
    )
    assert np.shape(result["cells"]) == (24, 24)


def test_a_class_that_lost_is_said_to_be_behind(cli: Any, saved: Path, photo: Path) -> None:
    answer = cli("explain", saved, photo, "--class", "n01")

    assert answer.out.startswith("n01 blue thing is behind n02 green thing by ")


def test_standard_input_is_explained(
    cli: Any, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(encode("n03", 1))))

    assert cli("explain", saved, "-").out.startswith("n03 red thing is ahead")


def test_a_picture_shows_the_image_and_its_cells(
    cli: Any, saved: Path, photo: Path, tmp_path: Path
) -> None:
    output = tmp_path / "why.png"

    answer = cli("explain", saved, photo, "--output", output)

    assert answer.out.endswith(f"drawn in {output}\n")
    picture = cv2.imread(str(output))
    assert picture is not None
    left, right = picture[16:304, 16:400].astype(int), picture[16:304, 416:800].astype(int)
    shown = cv2.resize(cv2.imread(str(photo)), (384, 288), interpolation=cv2.INTER_CUBIC)  # type: ignore[arg-type]
    assert np.abs(left - shown).max() <= 1
    assert not (right == left).all()
    repeated = tmp_path / "again.png"
    cli("explain", saved, photo, "--output", repeated)
    assert repeated.read_bytes() == output.read_bytes()


def test_cells_for_and_against_have_their_colours_and_signs() -> None:
    shares = np.zeros((4, 4))
    shares[0, 0], shares[3, 3], shares[0, 3] = 1.0, -1.0, 0.1
    grey = np.full((80, 120, 3), 128, np.uint8)

    drawn = heat_map(grey, shares).astype(int)

    light = 255 - 0.6 * (255 - 128)
    for at, colour in (((2, 2), FOR), ((77, 117), AGAINST)):
        assert np.abs(drawn[at] - (0.2 * light + 0.8 * np.array(colour))).max() <= 1
    assert (drawn[40, 60] == round(light)).all()
    dark = (drawn == 40).all(axis=2)
    assert dark[:20, :30].sum() == 9  # a plus
    assert dark[60:, 90:].sum() == 5  # a minus
    assert dark.sum() == 14


def test_a_page_holds_the_picture_and_the_table(
    cli: Any, saved: Path, photo: Path, tmp_path: Path
) -> None:
    odd = tmp_path / "<b>.jpg"
    odd.write_bytes(photo.read_bytes())
    output = tmp_path / "why.html"

    answer = cli("explain", saved, odd, "--output", output)

    assert answer.code == 0, answer.err
    page = output.read_text()
    assert "&lt;b&gt;.jpg" in page
    assert "<b>" not in page
    (encoded,) = re.findall(r'src="data:image/png;base64,([^"]+)"', page)
    assert base64.b64decode(encoded).startswith(b"\x89PNG")
    for text in ("green thing", "hsv_pyramid", "whole image"):
        assert text in page


@pytest.mark.parametrize(
    ("args", "code", "sentence"),
    [
        (["--class", "n09"], 2, "'n09' is not among the 3 classes of this model: n01, n02, n03"),
        (["--output", "x.jpg"], 2, "--output is a file that ends in .png or .html, not x.jpg"),
        (["--output", "/none/x.png"], 2, "/none/x.png cannot be written (No such file"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(
    cli: Any, saved: Path, photo: Path, args: list[str], code: int, sentence: str
) -> None:
    answer = cli("explain", saved, photo, *args)

    assert (answer.code, answer.out) == (code, "")
    assert sentence in answer.err
    assert answer.err.count("\n") == 1


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(b"<html>", "not_an_image"), (b"", "empty"), (None, "No such file or directory")],
)
def test_an_image_that_cannot_be_used_is_refused(
    cli: Any, saved: Path, tmp_path: Path, content: bytes | None, sentence: str
) -> None:
    path = tmp_path / "x.jpg"
    if content is not None:
        path.write_bytes(content)

    answer = cli("explain", saved, path)

    assert (answer.code, answer.out) == (5, "")
    assert answer.err == f"pipeline explain: {path} cannot be used: {sentence}\n"


def test_the_users_own_files_are_not_overwritten(cli: Any, saved: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.png"
    path.write_bytes(encode("n01", 1))

    answer = cli("explain", saved, path, "--output", path)

    assert answer.code == 2
    assert "is there already" in answer.err
    assert path.read_bytes() == encode("n01", 1)


def test_a_folder_is_not_an_image(cli: Any, saved: Path, tmp_path: Path) -> None:
    answer = cli("explain", saved, tmp_path)

    assert answer.code == 2
    assert "is a folder; `explain` takes one image" in answer.err

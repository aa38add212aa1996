"""`bin/pipeline predict`: what is on files, folders, standard input, an image store and bundles."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mr_jobs.lib.sequencefile import Writer
from tests.models.made_model import encode, save_model

HEADER = "image_id\timage_key\twnid\twnid_1\tscore_1\twnid_2\tscore_2\twnid_3\tscore_3"


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("saved"))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with one image of each class."""
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    (folder / "b.jpg").write_bytes(encode("n01", 11))
    (folder / "a.jpg").write_bytes(encode("n02", 12))
    (folder / "more" / "c.jpg").write_bytes(encode("n03", 13))
    return folder


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], None]:
    def give(content: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))

    return give


def rows_of(text: str) -> dict[str, list[str]]:
    """Return the wnids and scores of a table by image_id."""
    rows = [line.split("\t") for line in text.splitlines()[1:]]
    return {row[0]: row[3:] for row in rows}


def test_files_an_image_store_and_bundles_get_what_the_run_got_for_its_val_images(
    cli: Any, folder_data: Any, own_var: Path, tmp_path: Path
) -> None:
    data = folder_data()
    cli("ingest", data, "--runner", "inline", "--images", "mine")
    full = cli("full", "--data", data, "--images", "mine", "--runner", "inline", "--run-id", "r1")
    assert full.code == 0, full.err
    val = rows_of((own_var / "saved" / "r1" / "predictions.tsv").read_text())
    before = sorted(own_var.rglob("*"))

    files = cli("predict", "r1", data, "--tsv")
    stored = cli(
        "predict", "r1", "--images", "mine", "--runner", "inline", "--output", tmp_path / "s.tsv"
    )
    bundles = cli(
        "predict", "r1", "--bundles", *sorted((own_var / "images/mine/bundles").glob("*.seq")),
        "--runner", "local", "--tsv",
    )  # fmt: skip

    assert len(val) > 3
    assert stored.code == bundles.code == 0, stored.err + bundles.err
    assert len(rows_of(files.out)) == 36
    assert rows_of(files.out) == rows_of(bundles.out) == rows_of((tmp_path / "s.tsv").read_text())
    assert {image: rows_of(files.out)[image] for image in val} == val
    keys = [line.split("\t")[1] for line in bundles.out.splitlines()[1:]]
    assert keys == sorted(keys)
    assert "36 predicted" in stored.err
    assert [p for p in sorted(own_var.rglob("*")) if p not in before and p.name != "work"] == []


def test_where_chooses_among_the_images_of_an_image_store(
    cli: Any, folder_data: Any, saved: Path
) -> None:
    cli("ingest", folder_data(), "--runner", "inline", "--images", "mine")
    where = ("--where", "wnid = 'n00000001'", "--images", "mine", "--runner", "inline")

    answer = cli("predict", saved, *where, "--json")
    none = cli("predict", saved, "--where", "width > 5000", *where[2:])
    wrong = cli("predict", saved, "--where", "colour = 1", *where[2:])

    result = answer.json()
    assert (result["images"], result["predicted"], result["not_used"]) == ("mine", 12, {})
    assert sum(each["n_images"] for each in result["classes"]) == 12
    assert none.code == 2
    assert "no image meets --where" in none.err
    assert wrong.code == 2
    assert "Traceback" not in wrong.err


def test_bundles_without_a_single_image_fail(cli: Any, saved: Path, tmp_path: Path) -> None:
    path = tmp_path / "bad.seq"
    with path.open("wb") as file, Writer(file) as writer:
        writer.append(b"val/n01/a.JPEG", b"<html>")

    answer = cli("predict", saved, "--bundles", path, "--runner", "inline", "--tsv")

    assert (answer.code, answer.out) == (5, "")
    assert answer.err.splitlines()[-1].endswith("none of the images could be used (1 not_an_image)")


def test_a_summary_counts_the_images_of_each_class(cli: Any, saved: Path, tmp_path: Path) -> None:
    path = tmp_path / "two.seq"
    with path.open("wb") as file, Writer(file) as writer:
        for number, wnid in enumerate(("n03", "n01", "n03")):
            writer.append(f"val/{wnid}/{number}.JPEG".encode(), encode(wnid, 11))

    answer = cli("predict", saved, "--bundles", path, "--runner", "inline")

    assert answer.out == "        2  n03  red thing\n        1  n01  blue thing\n"


def test_an_image_is_a_line_with_its_best_name(cli: Any, saved: Path, photos: Path) -> None:
    answer = cli("predict", saved, photos, photos / "b.jpg")

    lines = [line.removeprefix(f"{photos}/") for line in answer.out.splitlines()]
    names = [line.split(":")[0] for line in lines]
    assert names == ["a.jpg", "b.jpg", "more/c.jpg", "b.jpg"]
    assert lines[0].startswith("a.jpg: 0.")
    assert lines[0].endswith(" n02 green thing")
    assert answer.err == "predict: 4 predicted\n"


def test_more_names_are_asked_for_by_their_number(cli: Any, saved: Path, photos: Path) -> None:
    answer = cli("predict", saved, photos / "a.jpg", "--top-k", "2")

    (line,) = answer.out.splitlines()
    assert line.count(" n0") == 2
    assert line.count(";") == 1


def test_a_folder_is_walked_without_what_is_hidden_or_no_file(
    cli: Any, saved: Path, photos: Path
) -> None:
    (photos / ".git").mkdir()
    (photos / ".git" / "x.jpg").write_bytes(b"x")
    (photos / ".hidden.jpg").write_bytes(b"x")
    (photos / "gone.jpg").symlink_to(photos / "nowhere")
    (photos / "more" / "up").symlink_to(photos)
    (photos / "d.jpg").symlink_to(photos / "a.jpg")

    answer = cli("predict", saved, photos)

    names = [line.removeprefix(f"{photos}/").split(":")[0] for line in answer.out.splitlines()]
    assert names == ["a.jpg", "b.jpg", "d.jpg", "more/c.jpg"]


def test_files_may_come_after_options(cli: Any, saved: Path, photos: Path) -> None:
    after = cli("predict", saved, "--tsv", photos)

    assert (after.code, after.out) == (0, cli("predict", saved, photos, "--tsv").out)


def test_names_that_could_deceive_are_escaped(cli: Any, saved: Path, tmp_path: Path) -> None:
    folder = tmp_path / "names"
    folder.mkdir()
    for name in (b"a\nb.jpg", b"\x1b[31m.jpg", b"\xff.jpg", "\u202egpj.jpg".encode()):
        (folder / name.decode(errors="surrogateescape")).write_bytes(encode("n01", 1))

    for answer in (cli("predict", saved, folder), cli("predict", saved, folder, "--tsv")):
        assert answer.code == 0, answer.err
        assert len(answer.out.splitlines()) - answer.out.startswith("image_id") == 4
        assert answer.out.replace("\n", "").replace("\t", "").isprintable()
        for escaped in (r"a\nb.jpg", r"\x1b[31m.jpg", r"\udcff.jpg", r"\u202egpj.jpg"):
            assert escaped in answer.out


def test_standard_input_is_an_image(cli: Any, saved: Path, photos: Path, stdin: Any) -> None:
    stdin(encode("n03", 12))

    answer = cli("predict", saved, photos / "b.jpg", "-")

    first, second = answer.out.splitlines()
    assert "n01" in first
    assert second.startswith("-: ")
    assert "n03" in second


def test_empty_standard_input_is_named(cli: Any, saved: Path, stdin: Any) -> None:
    stdin(b"")

    answer = cli("predict", saved, "-")

    assert (answer.code, answer.out) == (5, "-: not used, empty\n")
    assert answer.err == "pipeline predict: none of the images could be used (1 empty)\n"


def test_files_that_cannot_be_used_are_lines_and_the_others_are_predicted(
    cli: Any, saved: Path, photos: Path, tmp_path: Path
) -> None:
    page, empty, large = (tmp_path / name for name in ("page.jpg", "empty", "large.jpg"))
    page.write_text("<html>")
    empty.mkdir()
    with large.open("wb") as file:
        file.truncate(33 << 20)
    none, long = tmp_path / "none.jpg", tmp_path / ("x" * 300)

    answer = cli("predict", saved, page, empty, large, none, long, photos / "a.jpg")

    assert answer.code == 0
    *unusable, last = answer.out.splitlines()
    assert [line.partition(": not used, ")[2] for line in unusable] == [
        "not_an_image",
        "no_images: this folder has no files",
        "too_large: more than 32 MiB",
        "No such file or directory",
        "File name too long",
    ]
    assert "n02" in last
    assert answer.err.startswith("predict: 1 predicted, 5 not used (1 not_an_image, 1 no_images, ")


def test_if_none_can_be_used_the_reasons_are_there_all_the_same(
    cli: Any, saved: Path, tmp_path: Path
) -> None:
    answer = cli("predict", saved, tmp_path / "none.jpg", "--json")

    assert answer.code == 5
    (prediction,) = answer.json()["predictions"]
    assert prediction["error"] == "No such file or directory"
    assert answer.json()["predicted"] == 0


def test_a_table_goes_to_a_new_file_or_into_a_folder(
    cli: Any, saved: Path, photos: Path, tmp_path: Path
) -> None:
    (photos / "page.jpg").write_text("<html>")
    printed = cli("predict", saved, photos, "--tsv")
    out = tmp_path / "out"
    out.mkdir()

    for target, path in ((out, out / "predictions.tsv"), (out / "x.tsv", out / "x.tsv")):
        answer = cli("predict", saved, photos, "--output", target)
        assert (answer.code, answer.out) == (0, f"3 predicted, in {path}\n")
        assert path.read_text() == printed.out
        again = cli("predict", saved, photos, "--output", target)
        assert again.code == 2
        assert f"{path} is there already" in again.err

    assert printed.out.splitlines()[0] == HEADER
    assert printed.out.splitlines()[1].startswith(f"a\t{photos}/a.jpg\tunlabelled\tn02\t0.")
    assert f"predict: {photos}/page.jpg: not used, not_an_image" in printed.err
    assert len(list(out.iterdir())) == 2


def test_of_a_prediction_that_fails_no_table_is_left(cli: Any, saved: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()

    answer = cli("predict", saved, tmp_path / "none.jpg", "--output", out)

    assert answer.code == 5
    assert list(out.iterdir()) == []


@pytest.mark.parametrize(
    ("args", "code", "sentence"),
    [
        (["RUN"], 2, "give image files, or --images NAME, or --bundles FILE"),
        (["RUN", "a.jpg", "--images", "x"], 2, "give image files, or --images NAME, or"),
        (["RUN", "-", "-"], 2, "standard input holds one image; give `-` once"),
        (["RUN", "a.jpg", "--top-k", "0"], 2, "--top-k is a number from 1, not 0"),
        (["RUN", "a.jpg", "--where", "x"], 2, "--where chooses among the images of --images"),
        (["RUN", "a.jpg", "--runner", "local"], 2, "--runner is for --images, --bundles"),
        (["RUN", "a.jpg", "--tsv", "--json"], 2, "--tsv prints the table; leave out --json"),
        (["RUN", "a.jpg", "--output", "/none/x"], 2, "/none/x cannot be written (No such file"),
        (["RUN", "--images", "x", "--runner", "local"], 2, "no image store x on this machine"),
        (["RUN", "--bundles", "x.seq", "--runner", "local"], 2, "x.seq: there is no such bundle"),
        (["RUN", "--bundles", "hdfs:///x", "--runner", "local"], 2, "hdfs:///x is in HDFS"),
        (["nosuch", "a.jpg"], 5, "nosuch is not a saved run"),
        (["../x", "a.jpg"], 2, "not a run id"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(
    cli: Any, saved: Path, args: list[str], code: int, sentence: str
) -> None:
    answer = cli("predict", *(saved if arg == "RUN" else arg for arg in args))

    assert (answer.code, answer.out) == (code, "")
    assert sentence in answer.err
    assert answer.err.count("\n") == 1


def test_a_damaged_model_is_not_loaded(cli: Any, tmp_path: Path, photos: Path) -> None:
    run_dir = save_model(tmp_path)
    with (run_dir / "model.joblib").open("ab") as file:
        file.write(b"x")

    answer = cli("predict", run_dir, photos)

    assert (answer.code, answer.out) == (5, "")
    assert "model.joblib: sha256 differs" in answer.err

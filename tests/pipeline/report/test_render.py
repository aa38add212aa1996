from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from mr_jobs.lib.errors import DataError
from pipeline.report.render import generator, is_current, render
from tests.pipeline.report.reading_pages import Page

HOSTILE = '<script>alert("x")</script>\'" & {{ 7 * 7 }} \u202egnp.exe \x07 $x_1$'


def test_the_same_run_gives_the_same_bytes(run_dir: Path, page_text: str) -> None:
    assert render(run_dir) == page_text


def test_nothing_is_loaded_from_anywhere_else(page: Page, page_text: str) -> None:
    loaded = [
        attrs[name]
        for tag, attrs in page.tags
        for name in ("src", "srcset", "href", "xlink:href", "data", "poster", "action")
        if name in attrs and not (tag == "a" and attrs[name].startswith("#"))
    ]

    assert loaded
    assert [each[:40] for each in loaded if not each.startswith(("data:", "#"))] == []
    assert re.findall(r"@import|url\((?!#|['\"]?data:)", page_text) == []


def test_the_sections_come_in_their_order(page: Page) -> None:
    assert [attrs["id"] for tag, attrs in page.tags if tag == "section"] == [
        "facts", "images", "classes", "sizes", "synsets", "confusion", "mistakes", "calibration",
        "hierarchy", "ablation", "sheets", "glyphs", "quarantine", "steps",
    ]  # fmt: skip


def test_every_id_is_there_once_and_every_link_in_the_page_leads_somewhere(page: Page) -> None:
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    links = [attrs["href"] for tag, attrs in page.tags if tag == "a"]

    assert len(ids) == len(set(ids))
    assert {link.removeprefix("#") for link in links} <= set(ids)


def test_hostile_names_are_text_and_nothing_else(make_run: Callable[..., Path]) -> None:
    run_dir = make_run(
        words={"n00000000": HOSTILE, "<b>&": HOSTILE},
        file_name='{:06}"><img src=x onerror=alert(1)>.JPEG',
        data=f"/data/{HOSTILE}",
        warnings=[HOSTILE],
    )

    text = render(run_dir)

    page = Page(text)
    assert sum(tag == "script" for tag, _ in page.tags) == 1
    assert not any(name.startswith("on") for _, attrs in page.tags for name in attrs)
    assert "<script>alert" not in text
    assert 'alert("x")' in page.text
    assert "{{ 7 * 7 }}" in page.text
    assert not set("\u202e\x07") & set(text)


def test_a_picture_that_is_missing_is_a_sentence(page: Page) -> None:
    assert "no picture: gone" in page.text
    assert "no picture: undecodable" in page.text


def test_synthetic_data_is_said_first(make_run: Callable[..., Path], page: Page) -> None:
    drawn = Page(render(make_run(synthetic=True)))

    assert drawn.text.index("SYNTHETIC") < drawn.text.index("top-1 error")
    assert "SYNTHETIC" not in page.text


def test_a_run_of_older_code_has_the_sections_that_it_can_have(
    make_run: Callable[..., Path],
) -> None:
    run_dir = make_run(calibration=None, hierarchical_cost=None)
    for name in ("report_images.json", "confusion.tsv"):
        (run_dir / name).unlink()
    metrics = json.loads((run_dir / "metrics.json").read_text())
    del metrics["model"]["selection"], metrics["by_image_size"]
    (run_dir / "metrics.json").write_text(json.dumps(metrics))

    page = Page(render(run_dir))

    assert [attrs["id"] for tag, attrs in page.tags if tag == "section"] == [
        "facts", "images", "synsets", "confusion", "mistakes", "quarantine", "steps",
    ]  # fmt: skip


def test_many_synsets_are_shortened_in_pictures_and_whole_in_the_table(
    make_run: Callable[..., Path],
) -> None:
    words = {f"n{number:08}": f"thing {number}" for number in range(60)}

    page = Page(render(make_run(words=words, n_images=300)))

    assert "of the 50 worst of 60 synsets" in page.text
    assert len([name for name in page.numbers if re.fullmatch(r"synset/n\d+/n_images", name)]) == 60
    assert "60 synsets are too many for a picture" in page.text
    assert not any(name.startswith("confusion/") for name in page.numbers)


def test_no_labelled_image_is_no_error_and_no_crash(make_run: Callable[..., Path]) -> None:
    run_dir = make_run(top1_error=None, top5_error=None, calibration=None)
    for name in ("predictions.tsv", "synsets.tsv", "confusion.tsv"):
        head, *_ = (run_dir / name).read_text().splitlines(keepends=True)
        (run_dir / name).write_text(head)

    assert "No validation image has a label" in Page(render(run_dir)).text


@pytest.mark.parametrize("name", ["metrics.json", "predictions.tsv", "synsets.tsv"])
def test_a_damaged_run_is_one_sentence(make_run: Callable[..., Path], name: str) -> None:
    run_dir = make_run()
    (run_dir / name).write_text("x\ny\tz\n")

    with pytest.raises(DataError, match="train the model anew"):
        render(run_dir)


def test_a_page_of_other_code_is_told_from_one_of_this(
    page_text: str, run_dir: Path, tmp_path: Path
) -> None:
    mine, other = tmp_path / "mine.html", tmp_path / "other.html"
    mine.write_text(page_text, "utf-8")
    other.write_text(page_text.replace(generator(), "imagenet-on-hadoop report 000000000000"))

    assert is_current(mine)
    assert not is_current(other)
    assert not is_current(tmp_path / "none.html")

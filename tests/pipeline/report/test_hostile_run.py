"""The report of a stranger's saved run is a page or one sentence, and never somebody's program."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mr_jobs.lib.errors import DataError
from pipeline.report.comparing import compare, comparison_page
from pipeline.report.render import generator, is_current, render
from tests.pipeline.report.reading_pages import Page

MARKUP = '"><script>alert(1)</script><img src=x onerror=alert(1)>'


def _set(run_dir: Path, name: str, where: tuple[Any, ...], value: object) -> None:
    path = run_dir / name
    whole = part = json.loads(path.read_text())
    for key in where[:-1]:
        part = part[key]
    part[where[-1]] = value
    path.write_text(json.dumps(whole))


def _leaves(value: Any, where: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if not isinstance(value, dict | list):
        return [where]
    items = value.items() if isinstance(value, dict) else enumerate(value[:2])
    return [leaf for key, inner in items for leaf in _leaves(inner, (*where, key))]


@pytest.mark.parametrize("name", ["metrics.json", "manifest.json", "report_images.json"])
def test_markup_in_any_text_of_a_run_is_text_on_the_page(
    make_run: Callable[..., Path], name: str
) -> None:
    run_dir = make_run()
    value = json.loads((run_dir / name).read_text())
    texts = copy.deepcopy(value)
    for where in _leaves(value):
        part = texts
        for key in where[:-1]:
            part = part[key]
        if isinstance(part[where[-1]], str):
            part[where[-1]] += MARKUP
    (run_dir / name).write_text(json.dumps(texts))

    page = Page(render(run_dir))

    assert sum(tag == "script" for tag, _ in page.tags) == 1
    assert not [attrs for _, attrs in page.tags if any(key.startswith("on") for key in attrs)]


@pytest.mark.parametrize("src", ["javascript:alert(1)", "https://example.org/x.png", "//x/y"])
def test_a_picture_from_elsewhere_is_kept_out_by_the_policy_of_the_page(
    make_run: Callable[..., Path], src: str
) -> None:
    run_dir = make_run()
    facts = json.loads((run_dir / "report_images.json").read_text())
    wnid = next(wnid for wnid, images in facts["sheets"].items() if images)
    _set(run_dir, "report_images.json", ("sheets", wnid, 0, "src"), src)

    text = render(run_dir)

    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-"
    assert policy in text
    assert text.index("Content-Security-Policy") < text.index(src)


@pytest.mark.parametrize(
    ("name", "where", "value"),
    [
        ("metrics.json", ("counts",), None),
        ("metrics.json", ("counts",), "x"),
        ("metrics.json", ("counts", "images"), "x"),
        ("metrics.json", ("model",), []),
        ("metrics.json", ("n_images",), {}),
        ("metrics.json", ("steps",), 7),
        ("metrics.json", ("top1_error",), "x"),
        ("manifest.json", ("parameters",), 7),
        ("manifest.json", ("data_fingerprint",), None),
        ("model.json", ("classes",), 7),
        ("model.json", ("top_k",), "x"),
        ("report_images.json", ("sides",), 7),
        ("report_images.json", ("sheets",), [7]),
        ("report_images.json", ("mistakes",), 7),
        ("report_images.json", ("glyphs",), [{}]),
    ],
)
def test_a_value_of_another_kind_is_one_sentence(
    make_run: Callable[..., Path], name: str, where: tuple[Any, ...], value: object
) -> None:
    run_dir = make_run()
    _set(run_dir, name, where, value)

    with pytest.raises(DataError, match="is damaged"):
        render(run_dir)


@pytest.mark.parametrize("value", ["x", None, 7, []])
def test_a_comparison_with_a_damaged_run_is_one_sentence(
    make_run: Callable[..., Path], value: object
) -> None:
    run_dir = make_run()
    for key in ("model", "steps", "n_images"):
        _set(run_dir, "metrics.json", (key,), value)

    with pytest.raises(DataError, match="is damaged"):
        comparison_page(compare([run_dir, run_dir]))


@pytest.mark.parametrize("name", ["metrics.json", "synsets.tsv", "predictions.tsv"])
@pytest.mark.parametrize("kind", ["pipe", "device", "secret"])
def test_a_pipe_device_or_link_to_a_file_of_the_readers_is_not_read(
    make_run: Callable[..., Path], tmp_path: Path, name: str, kind: str
) -> None:
    run_dir = make_run()
    path = run_dir / name
    path.unlink()
    (tmp_path / "secret").write_text("password")
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero" if kind == "device" else tmp_path / "secret")

    with pytest.raises(DataError, match="is a link, a pipe or a device"):
        render(run_dir)


@pytest.mark.parametrize("name", ["metrics.json", "model.json", "report_images.json"])
@pytest.mark.parametrize("text", ["[" * 100_000, "[]", "\xff"])
def test_json_that_is_nested_to_hurt_or_none_is_one_sentence(
    make_run: Callable[..., Path], name: str, text: str
) -> None:
    run_dir = make_run()
    (run_dir / name).write_text(text, "latin-1")

    with pytest.raises(DataError, match="is damaged"):
        render(run_dir)


@pytest.mark.parametrize("name", ["synsets.tsv", "confusion.tsv", "predictions.tsv"])
@pytest.mark.parametrize("line", ["x" * (1 << 20), "a\tb\tc" + "x" * 200_000, "n\t1\n"])
def test_a_line_without_an_end_is_one_sentence(
    make_run: Callable[..., Path], name: str, line: str
) -> None:
    run_dir = make_run()
    with (run_dir / name).open("a") as file:
        file.write(line)

    with pytest.raises(DataError, match=r"is damaged|not a row of predictions"):
        render(run_dir)


def test_the_page_in_a_strangers_directory_is_made_anew(
    make_run: Callable[..., Path], cli: Any
) -> None:
    run_dir = make_run()
    forged = f"<!-- {generator()} --><script>alert(1)</script>"
    (run_dir / "report.html").write_text(forged)

    answer = cli("report", run_dir)

    assert answer.code == 0, answer.err
    assert "alert(1)" not in (run_dir / "report.html").read_text()


def test_a_pipe_in_place_of_the_page_is_replaced(make_run: Callable[..., Path]) -> None:
    run_dir = make_run()
    os.mkfifo(run_dir / "report.html")

    assert not is_current(run_dir / "report.html")

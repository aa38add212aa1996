from __future__ import annotations

from collections.abc import Callable
from math import comb
from pathlib import Path

import pytest

from pipeline.report.comparing import compare, comparison_page, mcnemar, rows, sentence
from tests.pipeline.report.reading_pages import Page
from tests.pipeline.report.recomputed import rows_of


@pytest.mark.parametrize(("b", "c"), [(0, 0), (0, 5), (3, 3), (4, 17), (60, 90)])
def test_mcnemars_p_is_that_of_fair_coins(b: int, c: int) -> None:
    n = b + c
    tail = sum(comb(n, k) for k in range(min(b, c) + 1)) / 2**n

    assert mcnemar(b, c) == pytest.approx(min(1.0, 2 * tail))
    assert mcnemar(b, c) == mcnemar(c, b)


def test_runs_on_the_same_images_are_compared_image_by_image(
    make_run: Callable[..., Path],
) -> None:
    better, worse = make_run("better", right=0.9), make_run("worse", right=0.2)

    result = compare([better, worse])

    wrong = [[r[1] != r[2][0][0] for r in rows_of(path)] for path in (better, worse)]
    b = sum(x and not y for x, y in zip(*wrong, strict=True))
    c = sum(y and not x for x, y in zip(*wrong, strict=True))
    (difference,) = result["differences"]
    assert difference["n_images"] == 240
    assert difference["top1"] == {"first_only": b, "second_only": c, "p": mcnemar(b, c)}
    assert sentence(difference).startswith("better is better: ")


def test_equal_runs_differ_by_nothing(make_run: Callable[..., Path]) -> None:
    (difference,) = compare([make_run("a"), make_run("b")])["differences"]

    assert difference["top1"] == {"first_only": 0, "second_only": 0, "p": 1.0}
    assert sentence(difference) == "a and b are wrong on the same images"


def test_a_small_difference_may_be_chance() -> None:
    test = {"first_only": 3, "second_only": 4, "p": mcnemar(3, 4)}
    found = {"first": "a", "second": "b", "same_images": True, "n_images": 9, "top1": test}

    assert sentence(found).endswith("only b on 4; that may be chance (p = 1)")


@pytest.mark.parametrize("options", [{"n_images": 230}, {"file_name": "other_{:06}.JPEG"}])
def test_runs_on_other_images_are_not_tested_and_it_says_so(
    make_run: Callable[..., Path], options: dict[str, object]
) -> None:
    result = compare([make_run("a"), make_run("b", **options)])

    (difference,) = result["differences"]
    assert difference == {"first": "a", "second": "b", "same_images": False}
    assert "different validation images" in sentence(difference)
    assert "different validation images" in Page(comparison_page(result)).text


def test_the_table_has_the_facts_of_every_run(make_run: Callable[..., Path]) -> None:
    runs = [make_run("a"), make_run("b", steps=[{"name": "bundle", "seconds": 4.0}])]

    table = dict(rows(compare(runs)))

    assert table["run"] == ["a", "b"]
    assert table["features"] == ["hog + lab_pixels"] * 2
    assert table["length of a vector"] == ["512", "512"]
    assert table["seconds of bundle"] == ["1.5", "4"]
    assert table["seconds of train"] == ["7.25", "-"]
    assert table["top-1 error"][0] == table["top-1 error"][1]


def test_the_page_has_the_numbers_of_the_test(make_run: Callable[..., Path]) -> None:
    result = compare([make_run("a", right=0.9), make_run("b", right=0.2)])

    page = Page(comparison_page(result))

    top1 = result["differences"][0]["top1"]
    assert {name: page.numbers[f"a/b/top1/{name}"] for name in top1} == top1

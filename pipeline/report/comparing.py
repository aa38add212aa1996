"""Compare saved runs: their facts side by side, and whether their errors differ by chance."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, zip_longest
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.report import figures
from pipeline.report.figures import Bar
from pipeline.report.formats import brief
from pipeline.report.predictions import labelled
from pipeline.report.render import page
from pipeline.report.saved import DAMAGE, SavedRun, damaged

SIGNIFICANT = 0.05
_NOTHING = "-"


class Tested(NamedTuple):
    """A tested model: its name, the directory of its predictions, how many an image count."""

    name: str
    path: Path
    top_k: int


def compare(directories: Sequence[Path]) -> dict[str, Any]:
    """Compare runs, and each pair of them by their predictions.

    Returns
    -------
    runs: the facts of each. differences: of each pair `first`, `second`, `same_images`, and where
    these are the same `n_images` and, for `top1` and `topk`, the counts `first_only` and
    `second_only` of images that only one of them got wrong, and `p`, see `mcnemar`.

    Raises
    ------
    DataError
        One is not a saved run, or is damaged.
    """
    runs = [SavedRun.load(directory) for directory in directories]
    return {
        "runs": [_checked_facts(run) for run in runs],
        "differences": [difference(*pair) for pair in combinations(map(_tested, runs), 2)],
    }


def _checked_facts(run: SavedRun) -> dict[str, Any]:
    try:
        facts = _facts(run)
        rows({"runs": [facts]})
    except DAMAGE as error:
        raise damaged(run.path, error) from error
    return facts


def _facts(run: SavedRun) -> dict[str, Any]:
    metrics, model = run.metrics, run.metrics["model"]
    rates = {key: value for key, value in metrics.items() if "_error" in key}
    return {
        "run_id": run.run_id,
        "data": metrics["data"],
        "runner": metrics["runner"],
        **rates,
        "n_images": metrics["n_images"],
        "n_classes": metrics["n_classes"],
        "n_train_images": model["n_train_images"],
        "kind": model["kind"],
        "features": run.features,
        "n_features": model["n_features"],
        "shrinkage": model.get("shrinkage"),
        "seconds": {step["name"]: step["seconds"] for step in metrics["steps"]},
    }


def _tested(run: SavedRun) -> Tested:
    return Tested(run.run_id, run.path, run.top_k)


def difference(first: Tested, second: Tested) -> dict[str, Any]:
    """Count the images that only one of two models got wrong, an image of both at a time.

    Returns
    -------
    See `compare`.

    Raises
    ------
    DataError
        The predictions of one are missing, or damaged.
    """
    result: dict[str, Any] = {"first": first.name, "second": second.name}
    only = {"top1": [0, 0], "topk": [0, 0]}
    n_images = 0
    for a, b in zip_longest(labelled(first.path), labelled(second.path)):
        if a is None or b is None or (a.key, a.wnid) != (b.key, b.wnid):
            return {**result, "same_images": False}
        n_images += 1
        for name, wrong in (
            ("top1", (a.top1_error, b.top1_error)),
            ("topk", (a.topk_error, b.topk_error)),
        ):
            if wrong[0] != wrong[1]:
                only[name][wrong[1]] += 1
    tests = {
        name: {"first_only": b, "second_only": c, "p": mcnemar(b, c)}
        for name, (b, c) in only.items()
        if name == "top1" or first.top_k == second.top_k
    }
    return {**result, "same_images": True, "n_images": n_images, **tests}


def mcnemar(b: int, c: int) -> float:
    """Return the two-sided p of McNemar's exact test.

    That is how often, if two models were equally good, the images that only one of them got wrong
    would be shared out at least as unevenly as b to c.

    Source: Q. McNemar, Note on the sampling error of the difference between correlated proportions
    or percentages, Psychometrika 12 (1947); exact by the binomial distribution.

    >>> mcnemar(1, 9)
    0.021484375
    """
    from scipy.stats import binom

    return min(1.0, 2 * float(binom.cdf(min(b, c), b + c, 0.5)))


def sentence(difference: dict[str, Any]) -> str:
    """Say what a difference comes to."""
    pair = f"{difference['first']} and {difference['second']}"
    if not difference["same_images"]:
        return f"{pair} were tested on different validation images: their errors are not paired"
    test = difference["top1"]
    b, c, p = test["first_only"], test["second_only"], test["p"]
    if not b + c:
        return f"{pair} are wrong on the same images"
    told = f"only {difference['first']} is wrong on {b:,}, only {difference['second']} on {c:,}"
    if p >= SIGNIFICANT:
        return f"{pair}: {told}; that may be chance (p = {p:.2g})"
    better = difference["first"] if b < c else difference["second"]
    return f"{better} is better: {told} of {difference['n_images']:,} images (p = {p:.2g})"


def rows(result: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """Return the table of the runs: a label, and a text for each run."""
    runs = result["runs"]
    table = [("run", [run["run_id"] for run in runs])]
    for key in dict.fromkeys(key for run in runs for key in run if key.endswith("_error")):
        label = key.replace("top", "top-").replace("_error", " error")
        table.append((label, [_rate(run, key) for run in runs]))
    for label, key in (
        ("validation images", "n_images"), ("train images", "n_train_images"),
        ("synsets", "n_classes"), ("model", "kind"), ("shrinkage", "shrinkage"),
        ("features", "features"), ("length of a vector", "n_features"), ("runner", "runner"),
    ):  # fmt: skip
        table.append((label, [_text(run[key]) for run in runs]))
    for name in dict.fromkeys(name for run in runs for name in run["seconds"]):
        seconds = [run["seconds"].get(name) for run in runs]
        table.append((f"seconds of {name}", [_text(n) for n in seconds]))
    return table


def _rate(run: dict[str, Any], key: str) -> str:
    rate, interval = run.get(key), run.get(f"{key}_interval")
    if rate is None or interval is None:
        return _NOTHING
    return f"{rate:.1%} ({interval[0]:.1%} to {interval[1]:.1%})"


def _text(value: object) -> str:
    if isinstance(value, list):
        return " + ".join(value) or _NOTHING
    if isinstance(value, int):
        return f"{value:,}"
    return _NOTHING if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def comparison_page(result: dict[str, Any]) -> str:
    """Make a page of a comparison, of the same design as a report."""
    keys = dict.fromkeys(key for run in result["runs"] for key in run if key.endswith("_error"))
    plots = []
    for key in keys:
        known = [run for run in result["runs"] if run.get(key) is not None]
        bars = [Bar(brief(r["run_id"]), r[key], tuple(r[f"{key}_interval"])) for r in known]
        label = key.replace("top", "top-").replace("_error", " error")
        plots.append((label, figures.bars(key.replace("_", "-"), label, bars, label, share=True)))
    told = [(each, sentence(each)) for each in result["differences"]]
    view = {"runs": result["runs"], "rows": rows(result)[1:], "told": told, "plots": plots}
    return page("compare.html.j2", view, {})

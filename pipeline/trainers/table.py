"""The trainers of a run side by side: what each got wrong, how long it took, how much memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pipeline.report.saved import DAMAGE, damaged
from pipeline.trainers import results
from pipeline.trainers.base import PREDICT, START, TRAIN

_NOTHING = "-"


def table_of(run_dir: Path, first: Sequence[str] = ()) -> dict[str, Any]:
    """Return all results of a saved run, those of the trainers named `first` first.

    Returns
    -------
    run_id; trainers: what each result.json says; differences: of the first to each other one whose
    predictions are of the same images, see `report.comparing.compare`.

    Raises
    ------
    DataError
        A result is damaged.
    """
    from pipeline.report.comparing import Tested, difference

    there = results.read(run_dir)
    order = [name for name in first if name in there]
    found = [there[name] for name in [*order, *(name for name in there if name not in order)]]
    tested = [
        Tested(facts["trainer"], results.results_dir(run_dir) / facts["trainer"], facts["top_k"])
        for facts in found
    ]
    differences = [difference(tested[0], other) for other in tested[1:]]
    result = {"run_id": run_dir.name, "trainers": found, "differences": differences}
    try:
        list(lines(result))
    except DAMAGE as error:
        raise damaged(results.results_dir(run_dir), error) from error
    return result


def lines(result: dict[str, Any]) -> Iterator[str]:
    """Yield the table as text."""
    from pipeline.report.comparing import sentence

    trainers = result["trainers"]
    if not trainers:
        yield (
            f"no results of trainers yet; `bin/pipeline compare {result['run_id']} "
            "--trainers sklearn,spark-logistic` makes some"
        )
        return
    rows = [_header(trainers), *map(_row, trainers)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
    yield ""
    sizes = dict.fromkeys((t["n_train_images"], t["n_images"], t["n_features"]) for t in trainers)
    for n_train, n_images, n_features in sizes:
        yield f"{n_train:,} train images, {n_images:,} validation images, {n_features:,} features"
    if len({facts["shards"] for facts in trainers}) > 1:
        yield "these are of different shards: --trainers trains those again that are older"
    yield from map(sentence, result["differences"])
    for facts in trainers:
        yield from (f"{facts['trainer']}: {warning}" for warning in facts["warnings"])


def _header(trainers: Sequence[dict[str, Any]]) -> list[str]:
    top_k = "/".join(dict.fromkeys(str(facts["top_k"]) for facts in trainers))
    errors = ["top-1 error (95 %)", f"top-{top_k} error"]
    return ["trainer", *errors, "start s", "train s", "predict s", "peak MiB"]


def _row(facts: dict[str, Any]) -> list[str]:
    seconds = facts["seconds"]
    return [
        facts["trainer"],
        _rate(facts, 1),
        _rate(facts, facts["top_k"], interval=False),
        *(_number(seconds.get(phase), 1) for phase in (START, TRAIN, PREDICT)),
        _number(facts["peak_mib"], 0),
    ]


def _rate(facts: dict[str, Any], k: int, *, interval: bool = True) -> str:
    rate = facts.get(f"top{k}_error")
    if rate is None:
        return _NOTHING
    low, high = facts[f"top{k}_error_interval"]
    return f"{rate:.1%} ({low:.1%} to {high:.1%})" if interval else f"{rate:.1%}"


def _number(value: float | None, digits: int) -> str:
    return _NOTHING if value is None else f"{value:,.{digits}f}"

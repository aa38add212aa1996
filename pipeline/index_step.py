"""The step that makes a run's predictions and its images' index agree with what was done.

It asks the index, whichever engine has it, for the run's errors by the sizes of images and boxes,
and keeps the answers in the run's own directory: `index/errors_by_*.json`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline import index
from pipeline.evaluate_step import EVALUATE, TESTED, predictions_file
from pipeline.hbase_predictions import note_predictions
from pipeline.images import Images
from pipeline.progress import Progress
from pipeline.step import Context, Step

_QUERIES = ("errors_by_image_size", "errors_by_box_size")  # of hive/evaluation
_RUN_ID = "'${hivevar:run_id}'"
_CHUNK_BYTES = 1 << 20


def _index(context: Context, progress: Progress) -> dict[str, Any]:
    run_id, images = context.run.run_id, context.images
    folder = f"predictions/run_id={run_id}"
    images.store.delete(folder)
    for split in TESTED:
        path = predictions_file(context, split)
        if path.stat().st_size:
            images.store.write(f"{folder}/{split}.tsv", _chunks(path))
    note_predictions(images, run_id, [predictions_file(context, split) for split in TESTED])
    loaded = index.load(images, None, progress)
    for name, rows in errors_of(images, run_id).items():
        target = context.run.dir / INDEX.makes / f"{name}.json"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return loaded


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk


def errors_of(
    images: Images, run_id: str, engine: str | None = None
) -> dict[str, list[dict[str, Any]]]:
    """Run the queries of `hive/evaluation` for a run, on an engine as `index.load` takes it.

    Returns
    -------
    A list of rows for each, which is a dict of the query's columns: `split`, `low` and `high` of
    the bin (low included; `high` None in the last), `n_images`, `n_top1_errors`, `n_topk_errors`.
    """
    from sqlglot import exp  # takes a while, as what is below

    from pipeline.index.definitions import named
    from pipeline.index.engine import plain
    from pipeline.index.hiveql import read_statement

    literal = exp.Literal.string(run_id).sql(dialect="hive")
    found = {}
    with index.open_index(images, engine) as opened:
        for name in _QUERIES:
            sql = named("evaluation")[name].sql.replace(_RUN_ID, literal)
            columns, rows = opened.query(read_statement(sql))
            found[name] = [dict(zip(columns, map(plain, row), strict=True)) for row in rows]
    return found


def errors_by_size(context: Context) -> dict[str, list[dict[str, Any]]]:
    """Return the answers that the step kept, by what the errors are told by, as `by_image_size`."""
    return {
        name.removeprefix("errors_"): json.loads(
            (context.run.dir / INDEX.makes / f"{name}.json").read_bytes()
        )
        for name in _QUERIES
    }


def refresh(images: Images) -> dict[str, Any] | None:
    """Fill the index anew and check it, unless nothing changed since."""
    with index.engine_of(images, None) as engine:
        if engine.is_fresh():
            return None
    with Progress("index") as progress:
        loaded = index.load(images, None, progress)
        rows = ", ".join(f"{n} {table}" for table, n in sorted(loaded["tables"].items()))
        progress.note(f"done in {progress.seconds:.1f} s: {rows}; {loaded['checks']} checks passed")
    return loaded


INDEX = Step(
    "index",
    "fill the index with the images and the predictions, and check it",
    "index",
    (EVALUATE,),
    lambda context: context.ledger().fingerprint(),
    _index,
    place="run",
)

"""Note a run's predictions of val and test in the rows of its images, in the family prediction."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from models.predictions import Prediction, read_predictions
from mr_jobs.hbase import TASK_WAITS_S, Table
from mr_jobs.hbase_images import RowWriter
from mr_jobs.lib.errors import DataError
from mr_jobs.lib.hbase_rows import STATUS, prediction_cells, row_key
from pipeline import hbase_store
from pipeline.images import Images

_AT_ONCE = 500


def note_predictions(images: Images, run_id: str, paths: Iterable[Path]) -> int:
    """Put the predictions of a run's tables into the rows, if images are rows; return how many.

    Parameters
    ----------
    paths : tables as `models.predictions.read_predictions` reads them.

    Raises
    ------
    DataError
        There is no row of an image.
    """
    place = hbase_store.place_of(images)
    if place is None:
        return 0
    n_rows = 0
    with place.open(TASK_WAITS_S) as table:
        writer = RowWriter(table)
        for path in paths:
            for key, found in _with_keys(table, read_predictions(path)):
                n_rows += writer.put(key, prediction_cells(run_id, found.best))
        return n_rows + writer.flush()


def _with_keys(table: Table, predictions: Iterable[Prediction]) -> Iterator[tuple[str, Prediction]]:
    """Yield the key that each image has in the image store: a run may give it another split."""
    predictions = iter(predictions)
    while held := list(islice(predictions, _AT_ONCE)):
        keys = [(str(each.key), str(each.key._replace(split="train"))) for each in held]
        asked = {row_key(key) for both in keys for key in both}
        there = table.rows(sorted(asked), [STATUS])
        for each, both in zip(held, keys, strict=True):
            key = next((key for key in both if row_key(key) in there), None)
            if key is None:
                raise DataError(
                    f"table {table.address.table} of HBase has no row of {each.key}, which the run "
                    "predicted; run `bin/pipeline verify`"
                )
            yield key, each

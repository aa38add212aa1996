"""Write a run's predictions as the rows of the table `predictions`."""

from __future__ import annotations

from collections.abc import Iterator

from models.evaluate import Evaluation


def prediction_rows(evaluation: Evaluation, split: str) -> Iterator[str]:
    r"""Yield tab-separated lines, one an image and rank, sorted by image_id and key.

    They belong into `predictions/run_id=<run id>/<split>.tsv` of the image store.

    Parameters
    ----------
    evaluation : of the images of one split.
    split : `val` or `test`, as the run divided the images.
    """
    for key, best in sorted(evaluation.predictions, key=lambda p: (p.key.image_id, p.key)):
        for rank, (label, score) in enumerate(best, start=1):
            fields = (key.image_id, split, key, key.wnid, rank, evaluation.wnids[label])
            yield "\t".join([*map(str, fields), f"{score:.6g}"]) + "\n"

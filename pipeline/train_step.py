"""The step that trains: from shards, by jobs, to a fitted model in the run's own directory.

What needs scikit-learn is imported where it is used: the import takes a second, which commands that
only look at runs or clusters should not.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from models.dataset import index_classes
from mr_jobs.lib.errors import JobError
from mr_jobs.lib.records import CatalogRow
from mr_jobs.lib.selection import Selection
from pipeline import selecting
from pipeline.catalog import rows
from pipeline.data_steps import CATALOG
from pipeline.division import train_rows
from pipeline.model_files import dump
from pipeline.progress import Progress
from pipeline.split_step import SPLIT
from pipeline.step import Context, Step, counts_of, manifest_of


def _train(context: Context, progress: Progress) -> dict[str, Any]:
    from models.train import fit_passes
    from pipeline.train_passes import JobPasses

    left = selecting.left_after(context, "train")
    class_index, n_left = _class_index(context, left)
    expected = n_left if "train" in context.run.where else counts_of(SPLIT, context).get("train", 0)
    classes = sorted(class_index, key=class_index.__getitem__)
    passes = JobPasses(context, progress, TRAIN, classes, expected)
    made = fit_passes(passes, classes, context.config.model, context.config.features.parts())
    passes.clear()
    dump(context, "train/fit.joblib", made)
    return {"n_images": made.n_images, "n_features": made.n_features, "synsets": len(classes)}


def _class_index(context: Context, left: Selection | None) -> tuple[dict[str, int], int]:
    """Give the synsets with vectors to train on their numbers, by the small catalogue.

    Returns also the number of these vectors.
    """
    n_rows = n_images = 0

    def counted() -> Iterator[CatalogRow]:
        nonlocal n_rows
        for row in rows(context.images.store):
            n_rows += 1
            yield row

    def trained_on() -> Iterator[str]:
        nonlocal n_images
        for row in train_rows(context, counted(), left):
            n_images += 1
            yield row.wnid

    class_index = index_classes(trained_on())
    made = manifest_of(CATALOG, context)["rows"]
    if n_rows != made:
        raise JobError(
            f"train: the catalogue has {n_rows} rows and was made with {made}; `bin/pipeline "
            "verify` names the images, put the file back from a copy"
        )
    return class_index, n_images


TRAIN = Step(
    "train",
    "jobs: sum up the train shards, choose a classifier and fit it",
    "train",
    (SPLIT,),
    lambda context: [context.config.model.to_dict(), selecting.facts_of(context, "train")],
    _train,
    place="run",
)

"""The step that trains: from shards, by jobs, to a fitted model in the run's own directory.

What needs scikit-learn is imported where it is used: the import takes a second, which commands that
only look at runs or clusters should not.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from models.train import Fit


def _train(context: Context, progress: Progress) -> dict[str, Any]:
    made = fit_run(context, progress)
    dump(context, "train/fit.joblib", made)
    n_synsets = len(made.estimator.classes_)
    return {"n_images": made.n_images, "n_features": made.n_features, "synsets": n_synsets}


def fit_run(context: Context, progress: Progress) -> Fit:
    """Train the model that a run's settings ask for, by jobs over its shards; keep nothing."""
    from models.train import fit_passes
    from pipeline.train_passes import JobPasses

    classes, expected = classes_of(context)
    passes = JobPasses(context, progress, TRAIN, classes, expected)
    made = fit_passes(passes, classes, context.config.model, context.config.features.parts())
    passes.clear()
    return made


def classes_of(context: Context) -> tuple[list[str], int]:
    """Return a run's synsets in the order of class_index, and how many images it trains on."""
    class_index, n_left = _class_index(context, selecting.left_after(context, "train"))
    expected = n_left if "train" in context.run.where else counts_of(SPLIT, context).get("train", 0)
    return sorted(class_index, key=class_index.__getitem__), expected


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

"""The step that tests: every image of val and test under the trained model.

What needs scikit-learn is imported where it is used: the import takes a second, which commands that
only look at runs or clusters should not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mr_jobs.lib.errors import JobError
from pipeline.model_files import counting, dump, load, shard_pairs
from pipeline.progress import Progress
from pipeline.split_steps import SPLIT
from pipeline.step import Context, Step, counts_of
from pipeline.train_step import TRAIN

if TYPE_CHECKING:
    from models.train import Fit


def _evaluate(context: Context, progress: Progress) -> dict[str, Any]:
    from models.evaluate import evaluate

    counts = counts_of(SPLIT, context)
    made: Fit = load(context, "train/fit.joblib")
    wnids = [str(wnid) for wnid in made.estimator.classes_]
    class_index = {wnid: index for index, wnid in enumerate(wnids)}
    evaluations = {}
    for split in ("val", "test"):
        evaluations[split] = evaluate(
            made.estimator,
            shard_pairs(context, split)(),
            class_index,
            context.config.model.top_k,
            on_images=counting(progress, counts.get(split, 0)),
        )
        found = len(evaluations[split].predictions)
        if found != counts.get(split, 0):
            raise JobError(f"evaluate: read {found} {split} vectors of {counts.get(split, 0)}")
    dump(context, "evaluate/evaluations.joblib", evaluations)
    val = evaluations["val"]
    top1_error = val.n_top1_errors / val.n_images if val.n_images else None
    return {"top1_error": top1_error, "n_images": val.n_images}


EVALUATE = Step(
    "evaluate",
    "count its errors on the val shards",
    "evaluate",
    (TRAIN,),
    lambda context: context.config.model.top_k,
    _evaluate,
    place="run",
)

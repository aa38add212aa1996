"""The step that tests: every image of val and test under the trained model, by a job.

It leaves in the run's own directory, below `evaluate/`, the rows of the table `predictions`, one
file a split, in the order of file names; and `evaluation.json`, what they come to. Memory does not
grow with the number of images.

What needs scikit-learn is imported where it is used: the import takes a second, which commands that
only look at runs or clusters should not.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from mr_jobs.lib.duplicates import LEAKED
from mr_jobs.lib.errors import JobError
from mr_jobs.lib.hierarchy import SynsetTree
from mr_jobs.lib.imagenet import SPLITS, ImageKey
from mr_jobs.lib.records import require_one_tag
from mr_jobs.lib.tally import Tally, read_numbers
from mr_jobs.model_file import MODEL_ARRAYS, to_bytes
from mr_jobs.mr_evaluate_model import MREvaluateModel
from pipeline.layouts.hierarchy import read_tree
from pipeline.model_files import load
from pipeline.progress import Progress
from pipeline.split_step import SPLIT
from pipeline.step import Context, Step, counts_of
from pipeline.step_job import check_counts, run_step_job
from pipeline.stores import Store
from pipeline.train_step import TRAIN

if TYPE_CHECKING:
    from models.evaluate import Evaluation
    from models.train import Fit

TESTED = ("val", "test")
IMAGES_A_REDUCER = 500_000  # 200 bytes each in the shuffle


def _evaluate(context: Context, progress: Progress) -> dict[str, Any]:
    from models.evaluate import Evaluation

    counts = counts_of(SPLIT, context)
    made: Fit = load(context, "train/fit.joblib")
    wnids = [str(wnid) for wnid in made.estimator.classes_]
    tree = _tree(context, wnids)
    job_counts = score_shards(context, progress, made, tree, counts)
    found = {"val": 0, "test": 0}
    tally = read_output(context.store, EVALUATE.makes, context.run.dir / EVALUATE.makes, found)
    evaluations = {
        split: Evaluation.from_tally(
            tally, split, wnids, context.config.model.top_k, tree.max_height if tree else None
        )
        for split in TESTED
    }
    for split, evaluation in evaluations.items():
        for told, n in (
            ("scored", job_counts.get(split, 0)),
            ("rows", found[split]),
            ("counted", evaluation.n_images + evaluation.n_unlabelled),
        ):
            check_counts("evaluate", f"{split} images", counts.get(split, 0), {told: n})
    _write(context, evaluations)
    context.store.delete(EVALUATE.makes)
    val = evaluations["val"]
    top1_error = val.n_top1_errors / val.n_images if val.n_images else None
    return {"top1_error": top1_error, "n_images": val.n_images, "counts": job_counts}


def _tree(context: Context, wnids: list[str]) -> SynsetTree | None:
    """Return the part of the data's synset tree that its synsets are in."""
    data = context.data
    if data.tree_file is None:
        return None
    return read_tree(data.tree_file, {*wnids, *data.words})


def score_shards(
    context: Context,
    progress: Progress,
    made: Fit,
    tree: SynsetTree | None,
    counts: dict[str, int],
) -> dict[str, int]:
    """Score the shards by a job, whose output is `EVALUATE.makes` in the run's store.

    Parameters
    ----------
    counts : of the split step: how many images each split has.

    Returns
    -------
    What the job counted.
    """
    total = sum(counts.get(name, 0) for name in (*SPLITS, LEAKED))
    n_tested = sum(counts.get(split, 0) for split in TESTED)
    with TemporaryDirectory(prefix="pipeline-evaluate-") as tmp:
        model, edges = Path(tmp) / MODEL_ARRAYS, Path(tmp) / "tree.txt"
        model.write_bytes(to_bytes(made.estimator))
        args = ["--model", str(model), "--top-k", str(context.config.model.top_k)]
        if tree:
            lines = (f"{parent} {child}\n" for parent, child in tree.edges())
            edges.write_text("".join(lines), encoding="utf-8")
            args += ["--tree", str(edges)]
        job_counts = run_step_job(
            context, progress, EVALUATE, MREvaluateModel, [context.store.uri(SPLIT.makes)],
            ("read", total), args, into=(context.store, EVALUATE.makes),
            jobconf=[f"mapreduce.job.reduces={1 + n_tested // IMAGES_A_REDUCER}"],
        )  # fmt: skip
    check_counts("evaluate", "vectors", total, {"read": job_counts.get("read", 0)})
    return job_counts


def read_output(store: Store, output: str, folder: Path, found: dict[str, int]) -> Tally:
    """Write the rows of the job's output to files, a line at a time, and return its sums.

    Parameters
    ----------
    output : the job's directory in the store.
    folder : gets `predictions-<split>.tsv` for every split in `found`.
    found : gets the number of images of every split.

    Raises
    ------
    JobError
        The output is not sorted.
    DataError
        The shards were made by several runs.
    """
    tally = Tally()
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as files:
        parts = [files.enter_context(store.open(name)) for name in store.files(output)]
        tables = {
            split: files.enter_context(
                rows_file(folder, split).open("w", encoding="utf-8", newline="\n")
            )
            for split in found
        }
        before = b""
        for line in heapq.merge(*parts):  # every part is sorted, rows before sums
            if line <= before:
                raise JobError("evaluate: the job's output is out of order; run the step again")
            before = line
            kind, split, *fields = line.decode().rstrip("\n").split("\t")
            if kind == "row":
                tables[split].writelines(_table_rows(split, fields[1], fields[2:]))
                found[split] += 1
            else:
                tally.add((split, *fields[:-1]), read_numbers(fields[-1]))
    require_one_tag(tag for (tag,) in tally.of_split("all", "tag"))
    return tally


def _table_rows(split: str, key: str, labels: list[str]) -> Iterator[str]:
    image = ImageKey.parse(key)
    for rank, (wnid, score) in enumerate(zip(labels[::2], labels[1::2], strict=True), start=1):
        yield f"{image.image_id}\t{split}\t{key}\t{image.wnid}\t{rank}\t{wnid}\t{score}\n"


def _write(context: Context, evaluations: dict[str, Evaluation]) -> None:
    told = {split: evaluation.to_dict() for split, evaluation in evaluations.items()}
    path = context.run.dir / EVALUATE.makes / "evaluation.json"
    path.write_text(json.dumps(told, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def read_evaluations(context: Context) -> dict[str, Evaluation]:
    """Return what this step counted, by split."""
    from models.evaluate import Evaluation

    told = json.loads((context.run.dir / EVALUATE.makes / "evaluation.json").read_bytes())
    return {split: Evaluation.from_dict(values) for split, values in told.items()}


def predictions_file(context: Context, split: str) -> Path:
    """Return the file of a split's rows; see `models.predictions.read_predictions`."""
    return rows_file(context.run.dir / EVALUATE.makes, split)


def rows_file(folder: Path, split: str) -> Path:
    """Return the file of `read_output` with the rows of a split."""
    return folder / f"predictions-{split}.tsv"


EVALUATE = Step(
    "evaluate",
    "job: score the val and test shards, count the errors",
    "evaluate",
    (TRAIN,),
    lambda context: context.config.model.top_k,
    _evaluate,
    place="run",
)

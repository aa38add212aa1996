"""Predict the images of an image store, or of bundles, by a job on the runner that has them.

Memory follows the number of classes, never the number of images.
"""

from __future__ import annotations

import heapq
import json
import uuid
from argparse import Namespace
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from models.predict import Served
from models.predictions import Prediction
from models.report import prediction_lines
from mr_jobs.lib.errors import ConfigError
from mr_jobs.lib.imagenet import ImageKey
from mr_jobs.model_file import MODEL_ARRAYS, to_bytes
from mr_jobs.mr_predict_images import MRPredictImages
from pipeline import selecting
from pipeline.cluster import Cluster
from pipeline.image_jobs import job_input
from pipeline.images import cluster_of, open_images
from pipeline.job_arguments import JobSpec
from pipeline.jobs import run_job
from pipeline.ledger import Ledger
from pipeline.predict_files import new_table, require_some, summary, top_k_of
from pipeline.progress import Progress
from pipeline.report_command import saved_run
from pipeline.step_job import check_counts
from pipeline.stores import HdfsStore, LocalStore, Store

_IMAGES_A_REDUCER = 500_000  # their rows are some 100 bytes each


def run(args: Namespace, served: Served) -> dict[str, Any]:
    """Predict the images that options name; see `predict_command.run`."""
    if args.tsv:
        return {"lines": _table(args, served)}
    with ExitStack() as stack:  # an output that is in the way is refused before the job
        written = stack.enter_context(new_table(args.output)) if args.output else None
        source, predicted = stack.enter_context(_predicted(args, served))
        if written:
            lines = prediction_lines(predicted, top_k_of(served, args))
            written[0].writelines(f"{line}\n" for line in lines)
        else:
            deque(predicted, maxlen=0)  # they are counted
    return {
        "images": source.name,
        "predicted": predicted.n_predicted,
        "not_used": predicted.not_used,
        "classes": [
            {"wnid": wnid, "words": served.words(wnid), "n_images": n}
            for wnid, n in predicted.by_class.most_common()
        ],
        "output": str(written[1]) if written else None,
    }


def _table(args: Namespace, served: Served) -> Iterator[str]:
    with _predicted(args, served) as (_, predicted):
        yield from prediction_lines(predicted, top_k_of(served, args))


@contextmanager
def _predicted(args: Namespace, served: Served) -> Iterator[tuple[Source, Predicted]]:
    """Run the job; what it leaves is there until the end of the block."""
    with TemporaryDirectory(prefix="pipeline-predict-") as here, Progress("predict") as progress:
        source = given_bundles(args, Path(here)) if args.bundles else stored_images(args)
        runner = "hadoop" if source.cluster else args.runner or "local"
        try:
            found = run_predict_job(
                served, source, runner, top_k_of(served, args), Path(here), progress
            )
            progress.note(summary(found.n_predicted, found.not_used))
            require_some(found.n_predicted, found.not_used)
            yield source, found
        finally:
            source.store.delete(source.folder)


@dataclass(frozen=True)
class Source:
    """The images to predict.

    `name` is for people; `inputs` are bundles; `folder` in `store` is for what the job leaves, and
    is removed; `n_images` is how many there are, or None.
    """

    name: str
    store: Store
    cluster: Cluster | None
    inputs: list[str]
    folder: str
    args: list[str] = field(default_factory=list)
    n_images: int | None = None
    jobconf: Sequence[str] = ()


def stored_images(args: Namespace) -> Source:
    """Return the images of the image store that options name, or those that `--where` chooses.

    Raises
    ------
    ConfigError
        If there is no such image store, it is empty, or the condition is none or no image meets it.
    """
    images = open_images(args)
    store, folder = images.store, f"work/predict-{uuid.uuid4().hex[:8]}"
    n_images = Ledger.load(store).counted("counts")["bundled"]
    if not n_images:
        raise ConfigError(
            f"the image store {images.name} holds no images; run `bin/pipeline ingest`"
        )
    options: list[str] = []
    bundles = None
    if args.where is not None:
        found = selecting.choose(images, args.where, "predict")
        store.write(f"{folder}/selection", [found.images.to_bytes()])
        options = ["--selection", store.uri(f"{folder}/selection")]
        n_images, bundles = len(found.images), found.bundles
    reads = job_input(images, store, f"{folder}/rows", bundles)
    if reads.args:  # images are rows: what is said of them is noted there
        options += [*reads.args, "--noted-as", saved_run(args.run).name]
    return Source(
        images.name, store, images.cluster, reads.uris, folder, options, n_images, reads.jobconf
    )


def given_bundles(args: Namespace, here: Path) -> Source:
    """Return the images of bundles that options name, on this machine or in HDFS.

    Parameters
    ----------
    here : a directory for what the job leaves, where there is no cluster.

    Raises
    ------
    ConfigError
        If a file is not there, or is in HDFS and there is no cluster.
    """
    cluster = cluster_of(args)
    for path in args.bundles:
        if "://" in path and cluster is None:
            raise ConfigError(f"{path} is in HDFS, which takes a cluster; see `bin/pipeline up`")
        if "://" not in path and not Path(path).exists():
            raise ConfigError(f"{path}: there is no such bundle")
    store: Store = LocalStore(here)
    if cluster:
        store = HdfsStore(cluster.webhdfs_url, cluster.fs_uri, cluster.in_hdfs())
    folder = f"predict-{uuid.uuid4().hex[:8]}"
    return Source("bundles", store, cluster, list(args.bundles), folder)


class Predicted:
    """Predictions of a job, to be read once, and what it counted.

    Attributes
    ----------
    n_predicted : how many there are.
    not_used : how many images could not be used, by reason.
    by_class : how many images were taken for each wnid; complete when all are read.
    """

    def __init__(self, store: Store, output: str, counts: Mapping[str, int]) -> None:
        self.n_predicted = counts["predicted"]
        self.not_used = {
            name.removeprefix("skipped_"): n
            for name, n in sorted(counts.items())
            if name.startswith("skipped_")
        }
        self.by_class: Counter[str] = Counter()
        self._store, self._output = store, output

    def __iter__(self) -> Iterator[Prediction]:
        """Yield the images in the order of their keys.

        Raises
        ------
        JobError
            The output has not the images that the job counted.
        """
        with ExitStack() as files:
            parts = [
                files.enter_context(self._store.open(name))
                for name in self._store.files(self._output)
            ]
            yield from self._images(heapq.merge(*parts, key=_key))
        check_counts("predict", "predicted", self.n_predicted, {"written": self.by_class.total()})

    def _images(self, lines: Iterable[bytes]) -> Iterator[Prediction]:
        rows = (line.decode().rstrip("\n").split("\t") for line in lines)
        for key, of_key in groupby(rows, key=lambda row: row[1]):
            best: list[tuple[str, float]] = []
            for _, _, rank, wnid, score in of_key:
                if rank == "1" and best:  # of another image of the same key
                    yield self._counted(key, best)
                    best = []
                best.append((wnid, float(score)))
            yield self._counted(key, best)

    def _counted(self, key: str, best: list[tuple[str, float]]) -> Prediction:
        self.by_class[best[0][0]] += 1
        return Prediction(ImageKey.parse(key), tuple(best))


def _key(line: bytes) -> bytes:
    return line.split(b"\t", 2)[1]


def run_predict_job(  # what a job is made of
    served: Served, source: Source, runner: str, top_k: int, tmp: Path, progress: Progress
) -> Predicted:
    """Run the job; what it leaves is below `source.folder`, and its files are in `tmp`.

    Raises
    ------
    JobError, DataError
        The job failed, or its counts do not add up.
    """
    output = f"{source.folder}/predictions"
    store, n_images = source.store, source.n_images or 0
    spec = JobSpec(
        name="predict",
        job=MRPredictImages,
        inputs=source.inputs,
        store=store,
        output=output,
        args=[*_model_options(served, tmp), "--top-k", str(top_k), *source.args],
        jobconf=[f"mapreduce.job.reduces={1 + n_images // _IMAGES_A_REDUCER}", *source.jobconf],
        total=n_images,
    )
    found = run_job(spec, runner, source.name, progress, source.cluster).counters
    counts = dict.fromkeys(("read", "predicted", "skipped"), 0) | found
    if source.n_images is not None:
        check_counts("predict", "images", n_images, {"read": counts["read"]})
    parts = {name: counts[name] for name in ("predicted", "skipped")}
    check_counts("predict", "images read", counts["read"], parts)
    return Predicted(store, output, counts)


def _model_options(served: Served, tmp: Path) -> list[str]:
    """Write the model for the job's tasks; return the options that name it."""
    model, codebooks = tmp / MODEL_ARRAYS, tmp / "codebooks.npz"
    model.write_bytes(to_bytes(served.estimator))
    options = ["--model", str(model), "--features", json.dumps(served.spec.to_dict())]
    if served.codebooks:
        codebooks.write_bytes(served.codebooks.to_bytes())
        options += ["--codebooks", str(codebooks)]
    return options

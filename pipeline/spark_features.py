"""The features of a run by Spark: the same bundles, the same vectors, and the proof of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mr_jobs.lib.errors import ConfigError, JobError
from mr_jobs.record_vectors import RecordVectors, digest_of
from pipeline import selecting, yarn
from pipeline.codebook_step import load_codebooks
from pipeline.data_steps import BUNDLE, CATALOG
from pipeline.features_step import FEATURES
from pipeline.progress import Progress
from pipeline.spark_errors import spark_error
from pipeline.spark_session import spark_session
from pipeline.step import Context, counts_of, is_done
from pipeline.step_job import check_counts
from pipeline.task_sizes import count_tasks
from pipeline.trainers.base import application_of

if TYPE_CHECKING:
    from pyspark import Accumulator, SparkContext

MAKES = "spark/features"  # in the run's store
_WORTH = 1000  # images that are worth a task
_IO, _FORMAT = "org.apache.hadoop.io", "org.apache.hadoop.mapred.SequenceFileOutputFormat"


def spark_features(context: Context) -> dict[str, Any]:
    """Compute a run's vectors once more, by Spark, and compare them with those of the job.

    They are left in the run's store as `MAKES`, SequenceFiles of (Text key, float32 vector).

    Returns
    -------
    run_id; output: where they are; counts, as the job's; n_bundles; seconds: of `start` (until
    Spark can be used), `features` and `compare`; images_per_s; same: whether the job's are the same
    records byte for byte, None if they are not there.

    Raises
    ------
    ConfigError
        The bundles are not there or are rows of HBase, or Spark is not installed.
    JobError
        The counts do not add up, or the vectors differ.
    """
    for need in (BUNDLE, CATALOG):
        if is_done(need, context) is None:
            raise ConfigError(
                f"spark features needs the output of {need.name}; run "
                f"`bin/pipeline {need.name} --run-id {context.run.run_id}` first"
            )
    reads = selecting.inputs_of(context, "features", "spark-features")
    if reads.args:
        raise ConfigError(
            f"the image store {context.images.name} is in HBase, and Spark reads bundles only; use "
            "one whose store is bundles"
        )
    name = application_of(context.run.run_id, "spark-features")
    seconds: dict[str, float] = {}
    with Progress("spark") as progress, spark_session(context.cluster, name) as spark:
        seconds["start"] = progress.seconds
        progress.note(f"Spark {spark.version} is there after {progress.seconds:.1f} s")
        with _errors():
            counts = _compute(context, spark.sparkContext, reads.uris)
            seconds["features"] = progress.seconds - seconds["start"]
            progress.note(f"{counts.get('featurized', 0)} vectors in {seconds['features']:.1f} s")
            same = _same_as_the_job(context, spark.sparkContext)
        seconds["compare"] = progress.seconds - sum(seconds.values())
    if same is False:
        raise JobError(
            f"the vectors in {context.store.uri(MAKES)} differ from those of the job in "
            f"{context.store.uri(FEATURES.makes)}; was one made by other code, or on another "
            "kind of processor?"
        )
    return {
        "run_id": context.run.run_id,
        "output": context.store.uri(MAKES),
        "counts": counts,
        "seconds": {phase: round(spent, 1) for phase, spent in seconds.items()},
        "images_per_s": round(counts.get("read", 0) / seconds["features"], 1),
        "same": same,
    }


@contextmanager
def _errors() -> Iterator[None]:
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    try:
        yield
    except (Py4JError, PySparkException) as error:
        raise spark_error("spark features", error) from error


def _compute(context: Context, sc: SparkContext, bundles: list[str]) -> dict[str, int]:
    chosen = selecting.chosen(context, "features")
    kept = len(chosen.images) if chosen else counts_of(CATALOG, context).get("kept", 0)
    expected = kept if chosen else counts_of(BUNDLE, context)["bundled"]
    told = _counts(sc)
    codebooks = load_codebooks(context)
    work = RecordVectors(
        json.dumps(context.config.features.to_dict()),
        codebooks.to_bytes() if codebooks else b"",
        chosen.images.to_bytes() if chosen else None,
        told.add,
    )
    context.store.delete(MAKES)
    records = sc.sequenceFile(",".join(bundles), minSplits=_n_tasks(context, expected))
    records.mapPartitions(work).saveAsHadoopFile(
        context.store.uri(MAKES), _FORMAT, keyClass=f"{_IO}.Text", valueClass=f"{_IO}.BytesWritable"
    )  # the classes are named, or it would compute the first vectors twice to see them
    counts: dict[str, int] = told.value
    parts = {name: counts.get(name, 0) for name in ("featurized", "skipped")}
    check_counts("spark features", "images", expected, parts)
    check_counts("spark features", "kept", kept, {"featurized": parts["featurized"]})
    return dict(sorted(counts.items()))


def _n_tasks(context: Context, n_images: int) -> int:
    """Cut the bundles as the job does."""
    store, cluster = context.images.store, context.cluster
    n_bytes = sum(map(store.size, store.files("bundles")))
    slots = yarn.task_slots(cluster.resourcemanager_url) if cluster else 2
    return count_tasks(n_images, n_bytes, slots, worth=_WORTH)


def _counts(sc: SparkContext) -> Accumulator[dict[str, int]]:
    """Return what adds up counts by name, over all tasks."""
    from pyspark import AccumulatorParam

    class Counts(AccumulatorParam):  # type: ignore[misc]  # of an extra
        def zero(self, _: dict[str, int]) -> dict[str, int]:
            return {}

        def addInPlace(self, one: dict[str, int], other: dict[str, int]) -> dict[str, int]:
            for name, n in other.items():
                one[name] = one.get(name, 0) + n
            return one

    return sc.accumulator({}, Counts())


def _same_as_the_job(context: Context, sc: SparkContext) -> bool | None:
    """Compare the records of two directories as sets; None if the job's are not there."""
    if is_done(FEATURES, context) is None:
        return None
    found = []
    for name in (MAKES, FEATURES.makes):
        pairs = sc.sequenceFile(context.store.uri(name)).mapPartitions(digest_of).collect()
        digest = sum(part for _, part in pairs) % (1 << 256)
        found.append((sum(n for n, _ in pairs), digest))
    return found[0] == found[1]

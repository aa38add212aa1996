"""The trainer `spark-logistic`: MLlib's multinomial logistic regression, from the run's shards.

Source: `org.apache.spark.ml.classification.LogisticRegression` of Spark 4, by L-BFGS.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from models.predictions import Prediction
from models.train import FEW_IMAGES
from mr_jobs.lib.errors import DataError
from mr_jobs.lib.imagenet import ImageKey
from mr_jobs.shard_rows import BestOf, ShardRows
from pipeline.spark_errors import spark_error
from pipeline.spark_session import spark_session
from pipeline.stores import LocalStore
from pipeline.trainers.base import PREDICT, START, TRAIN, Outcome, Task, Trainer

if TYPE_CHECKING:
    from pyspark.ml.classification import LogisticRegressionModel
    from pyspark.sql import DataFrame, SparkSession

PENALTIES = (0.003, 0.03, 0.3)  # regParam, of which the held-out images choose one …
FEW_PENALTY = 0.3  # … and what few images get
MAX_ITERATIONS = 60
TOLERANCE = 1e-4
_SCHEMA = "key string, place double, label double, numbers array<float>"
_MODEL = "model"


def _run(task: Task) -> Outcome:
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    with task.timed(START):
        opened = spark_session(task.cluster, task.application)
        spark = opened.__enter__()
    try:
        return _with(task, spark)
    except (Py4JError, PySparkException) as error:
        raise spark_error(f"trainer {task.name}", error) from error
    finally:
        opened.__exit__(None, None, None)


def _with(task: Task, spark: SparkSession) -> Outcome:
    with task.timed(TRAIN):
        train = _images(task, spark, "train")
        n_train = train.count()
        if not n_train:
            raise DataError("the train shards hold no image; see what the split step counted")
        n_features = int(train.selectExpr("size(numbers) AS n").first()["n"])
        made = _fit(task, train, n_train)
        train.unpersist()
    with task.timed(PREDICT):
        predictions = _predict(task, made.model, _images(task, spark, "val"))
    _save(task, made.model)
    parameters = {
        "kind": "multinomial logistic regression",
        "regParam": made.penalty,
        "standardization": True,
        "tol": TOLERANCE,
        "maxIter": MAX_ITERATIONS,
        "iterations": made.model.summary.totalIterations,
        "tried": made.tried,
    }
    versions = {"pyspark": version("pyspark"), "java": _java(spark)}
    return Outcome(predictions, n_train, n_features, parameters, versions, made.warnings)


def _images(task: Task, spark: SparkSession, split: str) -> DataFrame:
    """Return the images of a split: key, place, label, numbers and the vector of these."""
    from pyspark.ml.functions import array_to_vector
    from pyspark.sql.functions import col

    classes = {wnid: index for index, wnid in enumerate(task.classes)}
    selection = task.selection if split == "train" else None
    records = spark.sparkContext.sequenceFile(
        ",".join(task.shard_uris), minSplits=spark.sparkContext.defaultParallelism
    )
    rows = records.mapPartitions(ShardRows(split, classes, selection))
    images = spark.createDataFrame(rows, _SCHEMA, verifySchema=False)
    vector = array_to_vector(col("numbers").cast("array<double>"))
    return images.withColumn("features", vector)


@dataclass(frozen=True)
class _Made:
    model: LogisticRegressionModel
    penalty: float
    tried: list[dict[str, float]]
    warnings: list[str]


def _fit(task: Task, train: DataFrame, n_train: int) -> _Made:
    """Choose the penalty on the sixth of train that is held out, and fit all of it."""
    from pyspark import StorageLevel

    train = train.select("place", "label", "features").persist(StorageLevel.MEMORY_AND_DISK)
    if n_train < FEW_IMAGES:
        warning = f"{n_train} training images are too few to choose a penalty on; {FEW_PENALTY}"
        return _Made(_regression(FEW_PENALTY).fit(train), FEW_PENALTY, [], [f"{warning} was taken"])
    inner = train.where(train.place < task.held_out_from)
    held_out = train.where(train.place >= task.held_out_from)
    n_held_out = held_out.count()
    tried = []
    for penalty in PENALTIES:
        model = _regression(penalty).fit(inner)
        wrong = model.transform(held_out).where("prediction != label").count()
        tried.append({"regParam": penalty, "top1_error": wrong / max(n_held_out, 1)})
        task.progress.note(f"regParam {penalty}: {wrong} of {n_held_out} held-out images wrong")
    best = min(tried, key=lambda each: (each["top1_error"], -each["regParam"]))["regParam"]
    return _Made(_regression(best).fit(train), best, tried, [])


def _regression(penalty: float) -> Any:  # noqa: ANN401  # of an extra
    from pyspark.ml.classification import LogisticRegression

    return LogisticRegression(
        family="multinomial", standardization=True, elasticNetParam=0.0, regParam=penalty,
        maxIter=MAX_ITERATIONS, tol=TOLERANCE,
    )  # fmt: skip


def _predict(task: Task, model: LogisticRegressionModel, val: DataFrame) -> list[Prediction]:
    scored = model.transform(val.select("key", "features")).select("key", "probability")
    found = scored.rdd.mapPartitions(BestOf(task.classes, task.top_k)).collect()
    return [Prediction(ImageKey.parse(key), tuple(best)) for key, best in found]


def _save(task: Task, model: LogisticRegressionModel) -> None:
    """Save the model in Spark's format, through the store that the executors write to."""
    store, name = task.context.store, f"spark/{_MODEL}"
    store.delete(name)
    model.write().save(_uri(task, name))
    for part in ("metadata", "data"):
        for file in store.files(f"{name}/{part}"):
            target = task.folder / _MODEL / part / file.rpartition("/")[2]
            target.parent.mkdir(parents=True, exist_ok=True)
            with store.open(file) as content:
                target.write_bytes(content.read())
    store.delete(name)
    np.savez(
        task.folder / "coefficients.npz",
        coef=model.coefficientMatrix.toArray(),
        intercept=model.interceptVector.toArray(),
        classes=np.array(task.classes, np.str_),
    )


def _uri(task: Task, name: str) -> str:
    uri = task.context.store.uri(name)
    return f"file://{uri}" if isinstance(task.context.store, LocalStore) else uri


def _java(spark: SparkSession) -> str:
    return str(spark.sparkContext._jvm.java.lang.System.getProperty("java.version"))


SPARK_LOGISTIC = Trainer(
    "spark-logistic", "Spark MLlib's logistic regression, on YARN", "spark", _run
)

"""The tables of an image store as Spark sees them: those of Hive, through its metastore."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mr_jobs.lib.errors import ConfigError, JobError
from pipeline.images import Images
from pipeline.index import open_index
from pipeline.index.hive_engine import database_of
from pipeline.index.hiveql import read_statement
from pipeline.progress import Progress
from pipeline.spark_errors import first_line
from pipeline.spark_session import spark_session

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@contextmanager
def tables_in_spark(images: Images) -> Iterator[SparkSession]:
    """Open a Spark session in which `spark.sql("SELECT … FROM images")` is of an image store.

    Raises
    ------
    ConfigError
        Its cluster has no Hive, or Spark is not installed.
    """
    require_hive(images)
    with spark_session(images.cluster, f"tables of {images.name}") as spark:
        spark.catalog.setCurrentDatabase(database_of(images.name))
        yield spark


def require_hive(images: Images) -> None:
    """Raise a ConfigError unless the image store is on a cluster with Hive that Spark can ask."""
    cluster = images.cluster
    if cluster is None or cluster.metastore_uri is None or cluster.hive_lib_dir is None:
        where = f"cluster {cluster.name}" if cluster else "this machine"
        raise ConfigError(
            f"the image store {images.name} is on {where}, which has no Hive that Spark can ask; "
            "add it with `bin/pipeline up --with hive`"
        )


def ask(images: Images, query: str, limit: int) -> dict[str, Any]:
    """Ask the tables of an image store.

    Returns
    -------
    columns; rows, of JSON values, at most `limit`; more: whether there are more; seconds: of
    `start` and `query`.

    Raises
    ------
    ConfigError
        See `tables_in_spark`; or the query does anything but read.
    JobError
        Spark refuses the query.
    """
    require_hive(images)
    from pyspark.errors import PySparkException

    sql = read_statement(query).sql
    open_index(images, "hive").close()  # as `query` does: the tables are made anew if they are old
    with Progress("spark") as progress, tables_in_spark(images) as spark:
        started = progress.seconds
        try:
            found = spark.sql(sql)
            rows = found.limit(limit + 1).collect()
        except PySparkException as error:
            raise JobError(f"Spark refuses the query: {first_line(error)}") from error
        seconds = {"start": round(started, 1), "query": round(progress.seconds - started, 1)}
        columns = list(found.columns)
    return {
        "columns": columns,
        "rows": [list(row) for row in rows[:limit]],
        "more": len(rows) > limit,
        "seconds": seconds,
    }

"""The Spark shell: the Python shell with a session on the cluster's YARN, as `spark` and `sc`."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterable
from typing import TYPE_CHECKING

from mr_jobs.lib.errors import ConfigError
from pipeline.cluster import Cluster
from pipeline.index.hive_engine import database_of
from pipeline.lab_helpers import Helpers
from pipeline.shells import python
from pipeline.spark_session import spark_session

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# Its page is at the driver, here; the ResourceManager's page of the application leads to it.
_WITH_PAGE = {"spark.ui.enabled": "true", "spark.ui.port": "0"}
_BANNER = """\
Spark {version} on {where}{database}
  spark.range(1000).selectExpr("sum(id)").show()
  sc.parallelize(range(1000), 4).map(lambda n: n * n).sum()
{examples}the helpers of `shell python` are here, too; leave to give the cluster its memory back"""
_EXAMPLES = """\
  spark.sql("SELECT wnid, COUNT(*) AS n FROM images GROUP BY wnid").show()
  sc.sequenceFile(images_uri + "/bundles").mapValues(len).take(3)
"""


def run(args: Namespace, lines: Iterable[str] | None) -> None:
    """Open a session; talk with a person, or do what lines say; end the session.

    Raises
    ------
    ConfigError, ClusterError
        As `spark_session.spark_session`.
    """
    helpers = Helpers(args)
    cluster = helpers.cluster
    with spark_session(cluster, "shell", settings=_WITH_PAGE) as spark:
        names = helpers.namespace() | {"spark": spark, "sc": spark.sparkContext}
        database = _use_store(spark, cluster, helpers)
        if database:
            names["images_uri"] = helpers.images.store.uri("")
        if lines is not None:
            python.run_source(names, lines)
            return
        where = f"the YARN of cluster {cluster.name}" if cluster else "this machine"
        banner = _BANNER.format(
            version=spark.version,
            where=where,
            database=f", database {database}" if database else "",
            examples=_EXAMPLES if database else "",
        )
        python.converse(names, banner, "spark")


def _use_store(spark: SparkSession, cluster: Cluster | None, helpers: Helpers) -> str:
    """Let names of tables be those of the image store, if Hive has it; return its database."""
    if cluster is None or cluster.metastore_uri is None:
        return ""
    try:
        database = database_of(helpers.images.name)
    except ConfigError:  # none, or several
        return ""
    if not spark.catalog.databaseExists(database):
        return ""
    spark.catalog.setCurrentDatabase(database)
    return database

"""A Spark session on a cluster of ours, its driver in this process: see `spark_settings`."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from subprocess import TimeoutExpired
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from mr_jobs.lib.errors import ClusterError, ConfigError
from pipeline.cluster_mark import Cluster, read_mark
from pipeline.extras import require
from pipeline.spark_errors import first_line
from pipeline.spark_settings import environment, settings_for

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_END_S = 20.0


@contextmanager
def spark_session(
    cluster: Cluster | None, name: str, *, settings: Mapping[str, str] | None = None
) -> Iterator[SparkSession]:
    """Open a Spark session, and end it with its Java process.

    Tables of the cluster's Hive are there as `spark.table("DATABASE.images")`, if it has Hive.

    Parameters
    ----------
    cluster : where it runs; None: two threads of this machine.
    name : of the application on YARN.
    settings : of Spark, which win over those made here.

    Raises
    ------
    ConfigError
        The extra is not installed, or the cluster is of a kind that this does not know.
    ClusterError
        YARN has no room, or Spark did not start.
    """
    require("spark", "Spark")
    if cluster:
        require_own(cluster)
    with TemporaryDirectory(prefix="spark-", dir=_scratch_root(cluster)) as scratch:
        made = settings_for(cluster, name, Path(scratch)) | dict(settings or {})
        with _own_interrupts():
            spark = _start(made, environment(cluster, Path(scratch)))
            try:
                yield spark
            finally:
                _end(spark)


def require_own(cluster: Cluster) -> None:
    """Raise a ConfigError for a cluster whose hosts have neither Spark's jars nor this Python."""
    if cluster.packages or (read_mark(cluster.dir) or {}).get("inventory"):
        raise ConfigError(
            f"Spark runs on clusters of this machine only, and {cluster.name} is on other hosts; "
            "deploy one with `bin/pipeline up`"
        )
    if cluster.realm:
        raise ConfigError(
            f"Spark runs on clusters without Kerberos only, and {cluster.name} has it; deploy "
            "another with `bin/pipeline up --name NAME`"
        )


def _scratch_root(cluster: Cluster | None) -> Path | None:
    """Say where Spark's own files are: in the cluster's directory, and so they go with it."""
    if cluster is None:
        return None
    root = cluster.dir / "tmp"
    root.mkdir(exist_ok=True)
    return root


def _start(settings: Mapping[str, str], variables: Mapping[str, str]) -> SparkSession:
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException, PySparkRuntimeError
    from pyspark.sql import SparkSession

    builder = SparkSession.builder
    for name, value in settings.items():
        builder = builder.config(name, value)
    with _variables(variables):
        try:
            return builder.getOrCreate()
        except KeyboardInterrupt:
            _end_java()
            raise
        except (Py4JError, PySparkException, PySparkRuntimeError) as error:
            _end_java()
            raise ClusterError(
                f"Spark did not start ({first_line(error)}); its messages are above, and YARN's in "
                "the logs of the cluster, see `bin/pipeline status`"
            ) from error


@contextmanager
def _variables(made: Mapping[str, str]) -> Iterator[None]:
    """Set variables of this process for as long as the Java process is being started."""
    before = {name: os.environ.get(name) for name in made}
    os.environ.update(made)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _own_interrupts() -> Iterator[None]:
    """Take back at the end what a session does of its own accord at Ctrl-C."""
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, before)


def _end(spark: SparkSession) -> None:
    from py4j.protocol import Py4JError

    with suppress(Py4JError, OSError):  # the Java process may have ended before
        spark.stop()
    _end_java()


def _end_java() -> None:
    """End the Java process, so that nothing is left and the next session may be another's."""
    from pyspark import SparkContext

    gateway: Any = SparkContext._gateway
    if gateway is None:
        return
    SparkContext._gateway = SparkContext._jvm = None
    with suppress(OSError):
        gateway.shutdown()
    gateway.proc.stdin.close()  # it ends with its standard input
    try:
        gateway.proc.wait(_END_S)
    except TimeoutExpired:
        gateway.proc.kill()
        gateway.proc.wait()

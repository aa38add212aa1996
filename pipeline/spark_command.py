"""`bin/pipeline spark`: features by Spark, and the tables of Hive asked through Spark."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from mr_jobs.lib.errors import ClusterError, ConfigError
from pipeline.extras import require
from pipeline.images import add_images_options, open_images

if TYPE_CHECKING:
    from pipeline.arguments import Commands

_ROWS = 100


def add_parser(commands: Commands) -> None:
    """Add `spark features` and `spark query`."""
    parser = commands.add_parser(
        "spark",
        help="features by Spark, and Hive's tables asked through Spark (the extra spark)",
        description="Work with Spark on the same cluster and the same files. Trainers are in "
        "`compare RUN --trainers spark-logistic`.",
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    _add_features(verbs)
    _add_query(verbs)


def _add_features(verbs: Commands) -> None:
    features = verbs.add_parser(
        "features",
        help="the vectors of a run once more, by Spark, and whether they are the same",
        description="Read the bundles of a run with Spark, compute the vectors, leave them beside "
        "the run's others, and compare them byte for byte with those of the MapReduce job.",
    )
    features.add_argument("--run-id", required=True, metavar="ID", help="the run")
    features.add_argument("--json", action="store_true", help="print the result as one JSON object")


def _add_query(verbs: Commands) -> None:
    query: ArgumentParser = verbs.add_parser(
        "query",
        help="ask the tables of Hive in Spark's SQL",
        description="Ask the tables of an image store, which are Hive's, in Spark's SQL: images, "
        "boxes, synsets, predictions, quarantine, refused, duplicates.",
    )
    query.add_argument("query", metavar="QUERY", help="a SELECT, SHOW TABLES or DESCRIBE TABLE")
    query.add_argument(
        "--limit", type=int, default=_ROWS, metavar="N", help="rows at most (default: %(default)s)"
    )
    add_images_options(query)
    query.add_argument("--json", action="store_true", help="print the result as one JSON object")


def run(args: Namespace) -> dict[str, Any]:
    """Do it; see `spark_features.spark_features` and `spark_tables.ask` for the results.

    Raises
    ------
    ConfigError
        Spark is not installed, there is no such run, or the cluster has no Hive.
    """
    require("spark", f"spark {args.verb}")
    return _features(args) if args.verb == "features" else _query(args)


def _features(args: Namespace) -> dict[str, Any]:
    from pipeline.full import interrupts_as_errors, only_driver, open_context
    from pipeline.run_cluster import existing_cluster
    from pipeline.runs import load_run
    from pipeline.spark_features import spark_features

    of_run = load_run(args.run_id)
    if of_run is None:
        raise ConfigError(f"there is no run {args.run_id}; `bin/pipeline runs` lists them")
    cluster = existing_cluster(of_run) if of_run.runner == "hadoop" else None
    if of_run.runner == "hadoop" and cluster is None:
        raise ClusterError(
            f"there is no cluster {of_run.cluster}, and the bundles of run {args.run_id} went with "
            f"it; make a run that keeps them with `bin/pipeline full --data {of_run.data} --keep`"
        )
    with interrupts_as_errors(), only_driver(of_run):
        return spark_features(open_context(of_run, cluster))


def _query(args: Namespace) -> dict[str, Any]:
    from pipeline.full import interrupts_as_errors
    from pipeline.spark_tables import ask

    if args.limit < 1:
        raise ConfigError(f"spark query: --limit is a number of rows from 1, not {args.limit}")
    images = open_images(args)
    with interrupts_as_errors():
        return ask(images, args.query, args.limit)


def lines(result: dict[str, Any]) -> Iterator[str]:
    """Yield the text for people."""
    if "rows" in result:
        yield from _table(result)
        return
    counts, seconds = result["counts"], result["seconds"]
    told = ", ".join(f"{n} {name}" for name, n in counts.items())
    same = {True: "the same, byte for byte", None: "not there to compare with"}[result["same"]]
    yield f"vectors    {told}"
    yield (
        f"seconds    {seconds['features']} for the vectors ({result['images_per_s']} images/s), "
        f"{seconds['start']} to start, {seconds['compare']} to compare"
    )
    yield f"the job's  {same}"
    yield f"output     {result['output']}"


def _table(result: dict[str, Any]) -> Iterator[str]:
    rows = [result["columns"], *([_cell(cell) for cell in row] for row in result["rows"])]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
    if result["more"]:
        yield f"… more; --limit shows more than {len(result['rows'])}"


def _cell(value: object) -> str:
    return "NULL" if value is None else str(value)

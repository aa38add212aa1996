"""`bin/pipeline compare`: saved runs side by side, or trainers on one: is it more than chance."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mr_jobs.lib.errors import ConfigError, DataError

if TYPE_CHECKING:
    from pipeline.arguments import Commands


def add_parser(commands: Commands) -> None:
    """Add `compare RUN RUN…` and `compare RUN --trainers NAMES`."""
    parser = commands.add_parser(
        "compare",
        help="saved runs side by side, or trainers on one; whether they differ by chance",
        description="Show the errors, settings and seconds of saved runs side by side. Runs that "
        "were tested on the same images are compared image by image, by McNemar's exact test. "
        "Of one run it shows the trainers that were tried on its shards.",
    )
    parser.add_argument(
        "runs", nargs="+", metavar="RUN", help="run id, or directory of a saved run"
    )
    parser.add_argument(
        "--trainers",
        metavar="NAMES",
        help="train these on the shards of the one RUN first, those that have not: "
        "sklearn, spark-logistic (the extra spark), h2o-glm, h2o-gbm (the extra h2o), with commas "
        "between; the first is what the others are compared with",
    )
    parser.add_argument("--again", action="store_true", help="train also those that have")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page of runs, too")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object")


def run(args: Namespace) -> dict[str, Any]:
    """Compare runs, see `report.comparing.compare`, or trainers, see `trainers.table.table_of`.

    Raises
    ------
    DataError
        One is not a saved run, or is damaged.
    ConfigError
        The options do not fit together, the page cannot be written, a trainer's extra is not
        installed, or the shards are gone.
    """
    from pipeline.report_command import saved_run

    directories = list(dict.fromkeys(saved_run(name) for name in args.runs))
    if len(directories) > 1:
        return _runs(args, directories)
    if len(args.runs) > 1:
        raise ConfigError("compare: these are one and the same run; `bin/pipeline runs` lists all")
    if args.html:
        raise ConfigError("compare: --html is for two runs or more")
    return _trainers(args, directories[0])


def _runs(args: Namespace, directories: list[Path]) -> dict[str, Any]:
    from pipeline.report.comparing import compare, comparison_page
    from pipeline.report_command import write_page

    if args.trainers or args.again:
        raise ConfigError("compare: --trainers and --again are for one run")
    result = compare(directories)
    if args.html:
        write_page(args.html, comparison_page(result))
        result["page"] = str(args.html)
    return result


def _trainers(args: Namespace, directory: Path) -> dict[str, Any]:
    from pipeline.trainers.registry import named
    from pipeline.trainers.table import table_of

    if args.again and not args.trainers:
        raise ConfigError("compare: --again needs --trainers")
    trainers = named(args.trainers) if args.trainers else []
    if trainers:
        _train(directory, trainers, again=args.again)
    elif not directory.is_dir():
        raise DataError(f"{directory} is not a saved run; list them with `bin/pipeline runs`")
    return table_of(directory, [trainer.name for trainer in trainers])


def _train(directory: Path, trainers: list[Any], *, again: bool) -> None:
    from pipeline.runs import load_run
    from pipeline.save_step import saved_dir
    from pipeline.trainers.work import train_missing

    run = load_run(directory.name)
    if run is None or saved_dir(run).resolve() != directory.resolve():
        raise ConfigError(
            f"compare: {directory.name} is not a run of this machine, so its shards are not here; "
            "`bin/pipeline runs` lists those that are"
        )
    train_missing(run, trainers, again=again)


def lines(result: dict[str, Any]) -> Iterator[str]:
    """Yield the text for people."""
    if "trainers" in result:
        from pipeline.trainers.table import lines as lines_of_trainers

        yield from lines_of_trainers(result)
        return
    yield from _lines_of_runs(result)


def _lines_of_runs(result: dict[str, Any]) -> Iterator[str]:
    from pipeline.report.comparing import rows, sentence

    table = rows(result)
    label_width = max(len(label) for label, _ in table)
    widths = [max(map(len, column)) for column in zip(*(texts for _, texts in table), strict=True)]
    for label, texts in table:
        cells = [text.ljust(width) for text, width in zip(texts, widths, strict=True)]
        yield f"{label:{label_width}}  {'  '.join(cells)}".rstrip()
    yield ""
    yield from map(sentence, result["differences"])
    if "page" in result:
        yield result["page"]

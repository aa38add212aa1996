"""`bin/pipeline predict`: name what is on images, with a saved model.

Files are looked at here, a few at a time; the images of an image store, or of bundles, by a job.
Neither keeps more than that, or a count a class: only `--json` of files is one object.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mr_jobs.lib.errors import ConfigError
from pipeline.images import add_images_options
from pipeline.report_command import saved_run

if TYPE_CHECKING:
    from pipeline.arguments import Commands

_DESCRIPTION = """\
Name what is on images, with the feature code of the jobs: files here, a line each; the images of an
image store or of bundles by a job. An image that cannot be used has a line with the reason; the
exit code is 5 if none could.
"""


def add_parser(commands: Commands) -> None:
    """Add the command `predict`."""
    parser: ArgumentParser = commands.add_parser(
        "predict", help="name what is on images, with a saved model", description=_DESCRIPTION
    )
    parser.add_argument("run", metavar="RUN", help="run id, or directory of a saved run")
    parser.add_argument(
        "paths", nargs="*", metavar="PATH",
        help="an image, a folder with images, or - for an image on standard input",
    )  # fmt: skip
    parser.add_argument(
        "--bundles", nargs="+", default=[], metavar="FILE",
        help="predict what is in these bundles: SequenceFiles as `get --to FILE.seq` writes them, "
        "here or at hdfs:// addresses",
    )  # fmt: skip
    parser.add_argument(
        "--where", metavar="SQL", help="of the image store, predict these images only: a condition "
        "on the columns of the table images",
    )  # fmt: skip
    parser.add_argument(
        "--top-k", type=int, metavar="K", help="how many names an image (default: 1 in lines for "
        "people, else as many as the run's own evaluation)",
    )  # fmt: skip
    parser.add_argument(
        "--tsv", action="store_true", help="print a table, with the header of predictions.tsv"
    )
    parser.add_argument(
        "--output", type=Path, metavar="PATH",
        help="write that table to a new file, or as predictions.tsv into a directory",
    )  # fmt: skip
    add_images_options(parser)
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object")


def run(args: Namespace) -> dict[str, Any]:
    """Predict.

    Returns
    -------
    With --tsv, or for people of files without --output, lines: to print, made while the images are
    read. Else predicted, not_used: how many images, the latter by reason; output: the table, or
    None; for files without --output predictions: path, best (wnid, words, score) and error of each;
    for a job images: what they are of, and classes: how many were taken for each wnid.

    Raises
    ------
    DataError
        If no image could be used, or the model is damaged.
    """
    _check(args)
    from models.predict import serve  # scikit-learn's import takes a second

    served = serve(saved_run(args.run))
    if args.paths:
        from pipeline import predict_files

        return predict_files.run(args, served)
    from pipeline import predict_job

    return predict_job.run(args, served)


def _check(args: Namespace) -> None:
    given = [bool(args.paths), args.images is not None, bool(args.bundles)]
    if given.count(True) != 1:
        raise ConfigError("give image files, or --images NAME, or --bundles FILE")
    if args.where is not None and args.images is None:
        raise ConfigError("--where chooses among the images of --images NAME")
    if args.runner and args.paths:
        raise ConfigError("files are looked at here; --runner is for --images, --bundles")
    if args.top_k is not None and args.top_k < 1:
        raise ConfigError(f"--top-k is a number from 1, not {args.top_k}")
    if args.tsv and (args.json or args.output):
        raise ConfigError("--tsv prints the table; leave out --json and --output")


def lines(result: dict[str, Any]) -> Iterator[str]:
    """Yield the lines to print."""
    if "lines" in result:
        yield from result["lines"]
        return
    if result["output"]:
        yield f"{result['predicted']} predicted, in {result['output']}"
        return
    for each in result["classes"]:  # how many images is told on standard error
        yield f"{each['n_images']:9}  {each['wnid']}  {each['words']}"

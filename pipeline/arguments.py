"""The arguments of the command line, and their help."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from pipeline.cluster import COMPONENTS
from pipeline.cluster_options import add_place_options
from pipeline.config import CONFIG_FILE
from pipeline.existing import add_existing_options
from pipeline.own_commands import OWN_COMMANDS
from pipeline.selecting import SELECTING
from pipeline.steps import STEPS

RUNNERS = ("hadoop", "local", "inline")
_EPILOG = """\
exit codes: 0 done, 2 usage or configuration, 3 cluster, 4 job, 5 data, 130 interrupted

  bin/pipeline full                              synthetic sample, on a Hadoop that comes and goes
  bin/pipeline full --data DIR                   your images: ILSVRC's tars or tree, or a folder of
                                                 one folder per class
  bin/pipeline full --data DIR --runner inline   the same without Hadoop or Java
  bin/pipeline predict RUN photo.jpg             what is on it
  bin/pipeline explain RUN photo.jpg             and which parts of it say so
"""


def build_parser() -> argparse.ArgumentParser:
    """Build the parser: one subcommand a verb."""
    parser = argparse.ArgumentParser(
        prog="bin/pipeline",
        description="Take labelled images to a tested model on a Hadoop cluster that comes and "
        "goes.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_full(commands)
    for name, step in STEPS.items():
        text = f"one step: {step.help}"
        parser_of_step = commands.add_parser(name, help=text, description=text)
        if name == "ingest":
            _add_ingest(parser_of_step)
        if name in SELECTING:
            _add_where(parser_of_step)
        _add_run_options(parser_of_step, own_id=name != "ingest")
        _add_cluster_options(parser_of_step)
        _add_json(parser_of_step)
    _add_cluster_commands(commands)
    _add_others(commands)
    for module in OWN_COMMANDS.values():
        module.add_parser(commands)
    return parser


Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # no public name


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse a command line; `predict RUN --tsv PATH` too, whose PATH Python 3.11 leaves over."""
    parser = build_parser()
    args, left = parser.parse_known_args(argv)
    if getattr(args, "paths", None) == [] and not any(word[:1] == "-" != word for word in left):
        args.paths, left = left, []
    if left:
        parser.error(f"unrecognized arguments: {' '.join(left)}")
    return args


def _add_full(commands: Commands) -> None:
    full = commands.add_parser(
        "full",
        help="everything: deploy, every step, save, destroy",
        description="Deploy a cluster, run every step, save the model with its test results, "
        "destroy the cluster.",
    )
    _add_where(full)
    _add_run_options(full, own_id=False)
    _add_cluster_options(full)
    full.add_argument(
        "--keep",
        action="store_true",
        help="leave the cluster and the intermediate outputs, to look at them",
    )
    full.add_argument("--dry-run", action="store_true", help="print the steps and do nothing")
    _add_json(full)


def _add_ingest(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Store what is new of a data set's images: bring the raw images to the runner, bundle and "
        "catalogue them. What is there already is not touched."
    )
    parser.add_argument("source", nargs="?", metavar="DATA", help="the data set, as --data")
    parser.add_argument(
        "--only", action="store_true", help="stop before `bundle`, the first of the jobs"
    )


def _add_where(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--where",
        metavar="SQL",
        help="work on these images only, of what the steps before left: a condition on the columns "
        'of the table images, such as "width > 400" (default: what the run began with, or all)',
    )


def _add_run_options(parser: argparse.ArgumentParser, *, own_id: bool) -> None:
    parser.add_argument(
        "--data",
        metavar="DIR",
        help="data set: ILSVRC's tars (also as hdfs:///DIR), the Kaggle tree, or one folder per "
        "class (default: a synthetic sample, made when first needed)",
    )
    parser.add_argument(
        "--images", metavar="NAME", help="image store to use and add to (default: by the data set)"
    )
    parser.add_argument(
        "--runner",
        choices=RUNNERS,
        help="hadoop: a real cluster (default); local: processes here; inline: this process",
    )
    parser.add_argument(
        "--run-id",
        required=own_id,
        metavar="ID",
        help="go on with a run; steps that are done are skipped"
        + ("" if own_id else " (default: a new run)"),
    )
    parser.add_argument(
        "--config",
        metavar="FILE",
        help=f"instead of {CONFIG_FILE.name}: a file, or by name fast, best or 32px of configs/",
    )
    parser.add_argument(
        "--allow-damaged",
        action="store_true",
        help="use the images before the damage in a tar that is cut off",
    )


def _add_cluster_options(parser: argparse.ArgumentParser) -> None:
    add_place_options(parser)
    parser.add_argument(
        "--port-base",
        type=int,
        metavar="N",
        help="first of its ports; give clusters side by side different ones",
    )
    parser.add_argument(
        "--inventory",
        type=Path,
        metavar="FILE",
        help="deploy it on these hosts, over ssh: a master and workers, as in "
        "ansible/inventories/example.yml (default: all of it on this machine)",
    )
    parser.add_argument(
        "--secure", action="store_true", help="deploy it with Kerberos and TLS (docs/security.md)"
    )
    parser.add_argument(
        "--weak-shuffle-check",
        action="store_true",
        help="with --secure: go without Hadoop's native library, which is weaker",
    )
    parser.add_argument(
        "--tarball", metavar="URL", help="Apache Hadoop tarball instead of Maven's artifacts"
    )
    parser.add_argument("--tarball-sha512", metavar="HEX", help="its checksum")
    add_existing_options(parser)
    parser.add_argument(
        "--with",
        dest="components",
        action="append",
        choices=COMPONENTS,
        help="deploy this too, and keep it: "
        + "; ".join(f"{name} ({what})" for name, what in COMPONENTS.items()),
    )


def _add_cluster_commands(commands: Commands) -> None:
    up = commands.add_parser("up", help="deploy the cluster, or start what is missing of it")
    status = commands.add_parser("status", help="show the cluster's daemons")
    down = commands.add_parser(
        "down",
        help="destroy the cluster and prove that nothing is left",
        description="Destroy the cluster and all in it. On a terminal you type its name; "
        "elsewhere give --yes NAME.",
    )
    for parser in (up, status, down):
        _add_cluster_options(parser)
        _add_json(parser)
    down.add_argument("--yes", metavar="NAME", help="the cluster's name, instead of typing it")
    down.add_argument(
        "--force-missing",
        action="append",
        metavar="HOST",
        help="go on without a host that is gone for good; what is left on it stays",
    )
    down.add_argument(
        "--discard-unsaved",
        action="store_true",
        help="destroy it although a run on it is not saved yet",
    )


def _add_others(commands: Commands) -> None:
    runs = commands.add_parser("runs", help="list the runs")
    _add_json(runs)
    sample = commands.add_parser(
        "sample",
        help="write a synthetic data set in ILSVRC's layout",
        description="Write a small synthetic data set in the exact ILSVRC CLS-LOC layout; the "
        "same options give the same bytes.",
    )
    sample.add_argument("directory", type=Path, metavar="DIR")
    sample.add_argument("--classes", type=int, metavar="N", help="number of synsets")
    sample.add_argument("--images", type=int, metavar="N", help="training images a synset")
    sample.add_argument("--seed", type=int, metavar="S", default=0)
    _add_json(sample)


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object")

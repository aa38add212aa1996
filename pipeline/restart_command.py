"""`bin/pipeline restart`: restart the daemons, one host after the other."""

from __future__ import annotations

import argparse
from argparse import Namespace
from typing import Any

from pipeline import cluster as clusters
from pipeline.progress import Progress
from pipeline.scale_command import add_cluster_options


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    text = "restart the daemons, one host after the other"
    parser = commands.add_parser(
        "restart",
        help=text,
        description=f"{text.capitalize()}: each must be well, and every block have its replicas, "
        "before the next one is touched. Jobs that run lose the tasks of that host.",
    )
    add_cluster_options(parser)


def run(args: Namespace) -> dict[str, Any]:
    """Restart."""
    with Progress("restart") as progress:
        clusters.restart(args.name, directory=args.cluster_dir, progress=progress.note)
        return {"name": args.name, "seconds": round(progress.seconds, 1)}

"""`bin/pipeline scale`: add workers to a cluster that is up, or take some away."""

from __future__ import annotations

import argparse
from argparse import Namespace
from pathlib import Path
from typing import Any

from mr_jobs.lib.errors import ClusterError, ConfigError
from pipeline import cluster as clusters
from pipeline.cluster_mark import read_mark
from pipeline.cluster_options import add_place_options
from pipeline.inventory import MASTERS, WORKERS, load_inventory
from pipeline.progress import Progress


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "scale",
        help="add workers to the cluster, or take some away",
        description="Make the cluster's workers those of the inventory. New ones are deployed; "
        "those that it lacks are decommissioned: their blocks move to the others first.",
    )
    parser.add_argument("--inventory", type=Path, metavar="FILE", required=True, help="the hosts")
    add_cluster_options(parser)


def add_cluster_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that name a cluster which is there."""
    add_place_options(parser)
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def run(args: Namespace) -> dict[str, Any]:
    """Add and take away workers until they are those of the inventory."""
    place = clusters.cluster_dir(args.name, args.cluster_dir)
    mark = read_mark(place)
    if not mark or not mark.get("inventory"):
        raise ClusterError(
            f"there is no cluster {args.name} on several hosts; make one with `bin/pipeline up "
            "--inventory FILE`"
        )
    old, new = mark["inventory"], load_inventory(args.inventory)
    added = sorted(set(new[WORKERS]) - set(old[WORKERS]))
    leaving = sorted(set(old[WORKERS]) - set(new[WORKERS]))
    _check(args.name, mark, new, n_before=len(old[WORKERS]))
    with Progress("scale") as progress:
        if added:
            everybody = {**new, "hosts": {**old["hosts"], **new["hosts"]}}
            everybody[WORKERS] = [*old[WORKERS], *added]
            clusters.up(
                args.name, directory=args.cluster_dir, inventory=everybody, progress=progress.note
            )
        if leaving:
            _decommission(args, place, new, leaving, progress)
        seconds = round(progress.seconds, 1)
    return {"name": args.name, "added": added, "left": leaving, "seconds": seconds}


def _check(name: str, mark: dict[str, Any], new: dict[str, Any], *, n_before: int) -> None:
    """Refuse another master, and fewer workers than a block has replicas."""
    if new[MASTERS] != mark["inventory"][MASTERS]:
        raise ConfigError(f"the master of the cluster {name} stays {mark['inventory'][MASTERS][0]}")
    replication = int(mark.get("replication", 1))
    if len(new[WORKERS]) < min(replication, n_before):
        raise ConfigError(
            f"blocks of the cluster {name} have {replication} replicas, so it needs {replication} "
            f"workers; the inventory has {len(new[WORKERS])}"
        )


def _decommission(
    args: Namespace, place: Path, new: dict[str, Any], leaving: list[str], progress: Progress
) -> None:
    with clusters.lock(args.name, place):
        clusters.on_cluster(
            "decommission",
            args.name,
            place,
            read_mark(place) or {},
            progress.note,
            cluster_leaving=leaving,
            cluster_inventory=new,
        )

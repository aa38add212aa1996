"""`bin/pipeline plan`: what a run will take before it runs; what it can never get is refused."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mr_jobs.lib.errors import ClusterError, ConfigError, IncompleteError
from pipeline.plan_output import lines

if TYPE_CHECKING:
    from pipeline.arguments import Commands
    from pipeline.config import Config
    from pipeline.plan_cluster import Capacity
    from pipeline.plan_data import Amounts, Encoded
    from pipeline.progress import Progress
    from pipeline.runs import Run


__all__ = ["add_parser", "lines", "run"]


def add_parser(commands: Commands) -> None:
    """Add `plan`."""
    from pipeline.cluster_options import add_place_options
    from pipeline.existing import add_existing_options

    parser = commands.add_parser(
        "plan",
        help="what `full` will take: tasks, bytes, memory, minutes; and what it can never get",
        description="Measure some images, and say what a run of all of them will take, step by "
        "step. Nothing is stored, and no cluster is started; one that is up is asked.",
    )
    parser.add_argument("--data", metavar="DIR", help="data set (default: the synthetic sample)")
    parser.add_argument(
        "--config", metavar="FILE", help="instead of pipeline.toml: a file, or a name in configs/"
    )
    parser.add_argument("--runner", choices=("hadoop", "local", "inline"), help="(default: hadoop)")
    add_place_options(parser)
    add_existing_options(parser)
    parser.add_argument("--check", metavar="RUN_ID", help="compare with what this run took")
    there = parser.add_argument_group("for data that are not there, of images like those of --data")
    there.add_argument("--images", type=_whole, metavar="N", help="images")
    there.add_argument("--bytes", type=_whole, metavar="N", help="of all images, such as 1.3e12")
    there.add_argument("--classes", type=_whole, metavar="N", help="synsets")
    nodes = parser.add_argument_group("for a cluster that is not there")
    nodes.add_argument("--nodes", type=_whole, metavar="N")
    nodes.add_argument("--cores-per-node", type=_whole, default=32, metavar="N", help="(32)")
    nodes.add_argument(
        "--memory-per-node-mb", type=_whole, default=131_072, metavar="N", help="(131072)"
    )
    nodes.add_argument("--disk-per-node-gb", type=_whole, metavar="N", help="(not looked at)")
    nodes.add_argument("--container-mb", type=_whole, metavar="N", help="memory of a task")
    nodes.add_argument("--replication", type=_whole, metavar="N", help="copies of a block")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object")


def _whole(text: str) -> int:
    """Read a whole number, also one like 1.3e12 or 14_000_000."""
    return int(float(text.replace(",", "")))


def run(args: Namespace) -> dict[str, Any]:
    """Plan.

    Returns
    -------
    data, amounts, calibration, cluster: what is planned for, and on what; steps: a row a step;
    totals; notes: sentences; refused: sentences, none if it can run; with --check also check, see
    `plan_check`.

    Raises
    ------
    ConfigError
        Options that do not go together, no such data, or a run that is not there.
    RefusedError
        It can never run as asked; the result is the plan all the same.
    """
    checked = _checked_run(args)
    _require_together(args)
    from pipeline.plan_calibration import calibrate
    from pipeline.plan_estimate import refusals, rows_of, totals_of
    from pipeline.plan_jobs import JobMaker
    from pipeline.plan_steps import notes_of, steps_of
    from pipeline.progress import Progress

    config = _config(args, checked)
    runner = checked.runner if checked else args.runner or "hadoop"
    with Progress("plan") as progress:
        data, amounts, images = _look(args, checked, config, progress)
        progress.note(f"measuring {len(images)} of the images")
        costs = calibrate(images, config.features)
    capacity, deploys = _capacity(args, checked, runner)
    simulated, apart = runner != "hadoop", runner != "inline"
    make = JobMaker(amounts, config, costs, capacity, simulated=simulated, apart=apart)
    steps = list(steps_of(make))
    rows = list(rows_of(steps, costs, config, capacity, runner, deploys=deploys))
    totals = totals_of(rows, steps, capacity, hdfs=runner == "hadoop")
    result: dict[str, Any] = {
        "data": data,
        "runner": runner,
        "amounts": {**asdict(amounts), "n_features": make.n_features},
        "calibration": costs.to_dict(),
        "cluster": asdict(capacity),
        "steps": [row.to_dict() for row in rows],
        "totals": totals,
        "notes": list(notes_of(make)),
        "refused": list(refusals(steps, rows, totals, capacity, runner)),
    }
    if checked:
        from pipeline.plan_check import compare

        result["check"] = compare(checked, rows, capacity)
    _raise_refused(result)
    return result


class RefusedError(IncompleteError):
    """What is planned can never run so; `result` is the plan."""

    exit_code = ClusterError.exit_code


def _raise_refused(result: dict[str, Any]) -> None:
    if result["refused"]:
        raise RefusedError("\npipeline plan: ".join(result["refused"]), result)


def _checked_run(args: Namespace) -> Run | None:
    """Return the finished run to compare with."""
    if args.check is None:
        return None
    from pipeline.runs import load_run

    run = load_run(args.check)
    if run is None or not run.finished:
        state = "is not finished" if run else "is not there"
        raise ConfigError(f"run {args.check} {state}; `bin/pipeline runs` lists them")
    if args.data or args.config or args.runner:
        raise ConfigError("--check plans with the data, settings and runner that the run had")
    return run


def _require_together(args: Namespace) -> None:
    given = [args.images is not None, args.bytes is not None, args.classes is not None]
    if any(given) and not all(given):
        raise ConfigError("--images, --bytes and --classes go together")
    if args.check and (any(given) or args.nodes):
        raise ConfigError("--check compares with a run; leave out --images and --nodes")
    if args.nodes and args.runner in ("local", "inline"):
        raise ConfigError(f"--nodes is of a cluster; --runner {args.runner} uses this machine")


def _config(args: Namespace, checked: Run | None) -> Config:
    from pipeline.config import CONFIG_FILE, Config, find_config

    if checked:
        return Config.from_dict(checked.config)
    return Config.load(find_config(args.config) if args.config else CONFIG_FILE)


def _look(
    args: Namespace, checked: Run | None, config: Config, progress: Progress
) -> tuple[str, Amounts, list[Encoded]]:
    """Look at the data; return what they are called, their amounts, and some images."""
    from pipeline import commands
    from pipeline.doctor_command import root_of
    from pipeline.layouts import find_raw_data
    from pipeline.plan_data import amounts_given, amounts_of

    data = checked.data if checked else args.data or str(commands.SAMPLE)
    if Path(data) == commands.SAMPLE:
        from pipeline.sample import write_sample

        write_sample(commands.SAMPLE, progress=progress.note)
    root = root_of(data, args)
    raw = find_raw_data(root.resolve() if isinstance(root, Path) else root, allow_damaged=True)
    amounts, images = amounts_of(raw, config, progress)
    if args.images is None:
        return data, amounts, images
    data = f"images like those of {data}"
    return data, amounts_given(args.images, args.bytes, args.classes, config), images


def _capacity(args: Namespace, checked: Run | None, runner: str) -> tuple[Capacity, bool]:
    """Return what it runs on, and whether the run deploys that."""
    from pipeline import existing, plan_cluster
    from pipeline.cluster import MARK, Cluster, cluster_dir

    if runner != "hadoop":
        return plan_cluster.this_machine(runner), False
    place = cluster_dir(args.name, args.cluster_dir)
    wanted = existing.wanted_of(args)
    there = wanted is not None or (place / MARK).exists()
    if args.nodes:
        disk = args.disk_per_node_gb and args.disk_per_node_gb * 10**9
        found = plan_cluster.given(args.nodes, args.cores_per_node, args.memory_per_node_mb, disk)
    elif there:
        found = plan_cluster.asked(existing.connect(wanted) if wanted else Cluster.load(place))
    else:
        found = plan_cluster.as_deployed()
    deploys = "deploy" in checked.steps if checked else not (args.nodes or there)
    if args.container_mb:
        found = found.with_containers(args.container_mb)
    if args.replication:
        found = replace(found, replication=args.replication)
    return found, deploys

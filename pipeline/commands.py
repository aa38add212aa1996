"""What each command does: arguments in, a result to print out."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mr_jobs.lib.errors import ConfigError
from pipeline import cluster as clusters
from pipeline import existing, extras, hbase_store
from pipeline.config import CONFIG_FILE, VAR, Config, find_config
from pipeline.full import STEP_NAMES, full, plan_of, require_same, some_steps
from pipeline.images import Images, check_name, images_at, name_of
from pipeline.index_step import refresh
from pipeline.ledger import Ledger
from pipeline.own_commands import OWN_COMMANDS
from pipeline.progress import Progress
from pipeline.run_cluster import existing_cluster
from pipeline.runs import Run, all_runs, check_run_id, load_run, new_run_id
from pipeline.steps import IMAGE_STEPS

SAMPLE = VAR / "sample"


def _full(args: Namespace) -> dict[str, Any]:
    run = _run(args)
    if args.dry_run:
        return {"run_id": run.run_id, "plan": list(plan_of(run))}
    _prepare(run)
    run.save()
    print(f"run {run.run_id}: {run.data} on {run.runner}", file=sys.stderr)
    return full(run, keep=args.keep)


def _step(args: Namespace) -> dict[str, Any]:
    run = _run(args)
    _prepare(run)
    run.save()
    everything = args.command == "ingest" and not args.only
    names = IMAGE_STEPS if everything else (args.command,)
    before = _stored(run) if everything else 0
    some_steps(names, run)
    if everything:
        return _ingested(run, before)
    return {"run_id": run.run_id, "step": args.command, **run.steps[args.command]}


def _images(run: Run) -> Images:
    on_cluster = run.runner == "hadoop"
    return images_at(run.images, existing_cluster(run) if on_cluster else None)


def _stored(run: Run) -> int:
    """Count the images in a run's image store."""
    return Ledger.load(_images(run).store).total("images")


def _ingested(run: Run, before: int) -> dict[str, Any]:
    """Fill the index with what is new; say what the image store holds now."""
    refresh(_images(run))
    reports = {name: run.steps[name] for name in IMAGE_STEPS}
    counts = reports["catalog"]["counts"]
    return {
        "run_id": run.run_id,
        "image_store": run.images,
        "layout": reports["ingest"]["layout"],
        "images": reports["ingest"]["images"],
        "added": reports["ingest"]["images"] - before,
        "kept": counts.get("kept", 0),
        "quarantined": reports["catalog"]["by_reason"],
        "refused_members": reports["ingest"]["refused"],
        "bundles": reports["bundle"]["bundles"],
        "table": reports["bundle"].get("table"),
        "seconds": {name: report["seconds"] for name, report in reports.items()},
        "warnings": reports["ingest"]["warnings"],
    }


def _run(args: Namespace) -> Run:
    """Begin a run, or load the one to go on with."""
    given = args.data or getattr(args, "source", None)
    data = _absolute(given) if given else None
    run = load_run(args.run_id) if args.run_id else None
    if run:
        require_same(run, data=data, runner=args.runner)
        if args.config:
            run.config = Config.load(find_config(args.config)).to_dict()
        run.allow_damaged = run.allow_damaged or args.allow_damaged
        run.cluster_options |= _kept_options(args)
        run.where |= _where(args)
        return run
    config = Config.load(find_config(args.config) if args.config else CONFIG_FILE)
    data = data or str(SAMPLE)
    runner = args.runner or "hadoop"
    in_hbase = config.data.store == "hbase"
    return Run(
        run_id=check_run_id(args.run_id) if args.run_id else new_run_id(config, data),
        data=data,
        runner=runner,
        config=config.to_dict(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        cluster=(args.cluster or args.name) if runner == "hadoop" or in_hbase else "",
        cluster_options=_kept_options(args),
        allow_damaged=args.allow_damaged,
        images=check_name(args.images) if args.images else name_of(data, in_hbase=in_hbase),
        where=_where(args),
    )


def _where(args: Namespace) -> dict[str, str]:
    """Return the condition of `--where`, by the step that it is for: in `full` the features."""
    where = getattr(args, "where", None)
    step = "features" if args.command == "full" else args.command
    return {} if where is None else {step: where}


def _absolute(data: str) -> str:
    return data if data.startswith("hdfs:") else str(Path(data).resolve())


def _prepare(run: Run) -> None:
    """Refuse at the start what this machine cannot do, and make the sample if it is the data."""
    config = Config.from_dict(run.config)
    config.features.repair.require()
    if config.data.store == "hbase":
        extras.require("hbase", hbase_store.STORE)
        if run.runner == "hadoop" and existing.EXISTING not in run.cluster_options:
            components = run.cluster_options.get("components") or []
            run.cluster_options["components"] = sorted({*components, "hbase"})
    _make_sample(run)


def _make_sample(run: Run) -> None:
    if Path(run.data) == SAMPLE:
        from pipeline.sample import write_sample  # OpenCV's import takes a while

        with Progress("sample") as progress:
            write_sample(SAMPLE, progress=progress.note)


def _cluster_options(args: Namespace) -> dict[str, Any]:
    return {
        "directory": args.cluster_dir,
        "port_base": args.port_base,
        "tarball": args.tarball,
        "tarball_sha512": args.tarball_sha512,
        "components": args.components,
        "inventory": args.inventory,
        "secure": args.secure or None,
        "weak_shuffle_check": args.weak_shuffle_check or None,
    }


def _kept_options(args: Namespace) -> dict[str, Any]:
    """Return the given ones, as JSON values: going on with the run needs them again."""
    given = {name: value for name, value in _cluster_options(args).items() if value is not None}
    for name in ("directory", "inventory"):
        if name in given:
            given[name] = str(given[name].absolute())
    wanted = existing.wanted_of(args)
    return {**given, existing.EXISTING: wanted} if wanted else given


def _up(args: Namespace) -> dict[str, Any]:
    existing.refuse(args)
    with Progress("up") as progress:
        up = clusters.up(args.name, progress=progress.note, **_cluster_options(args))
    cluster = up.cluster
    return {
        "name": cluster.name,
        "dir": cluster.dir,
        "changed": up.changed,
        "seconds": round(up.seconds, 1),
        "hdfs": cluster.fs_uri,
        "namenode": cluster.webhdfs_url,
        "resourcemanager": cluster.resourcemanager_url,
        "historyserver": cluster.historyserver_url,
        **({"hive": f"{cluster.hive_host}:{cluster.hive_port}"} if cluster.hive_port else {}),
    }


def _status(args: Namespace) -> dict[str, Any]:
    wanted = existing.wanted_of(args)
    if wanted:
        return existing.told(existing.connect(wanted))
    return clusters.status(args.name, directory=args.cluster_dir)


def _down(args: Namespace) -> dict[str, Any]:
    existing.refuse(args)
    if args.yes is None and not sys.stdin.isatty():
        raise ConfigError(f"give the name of the cluster to destroy: --yes {args.name}")
    typed = args.yes
    if typed is None:
        _show_cluster(args)
        print("type the cluster's name to destroy it: ", end="", file=sys.stderr, flush=True)
        typed = sys.stdin.readline().strip()
    if typed != args.name:
        raise ConfigError(f"{typed!r} is not the name of the cluster, {args.name}; nothing is done")
    with Progress("down") as progress:
        receipt = clusters.down(
            args.name,
            directory=args.cluster_dir,
            discard_unsaved=args.discard_unsaved,
            missing=args.force_missing or (),
            progress=progress.note,
        )
        seconds = round(progress.seconds, 1)
    return {"name": args.name, "receipt": receipt, "seconds": seconds}


def _show_cluster(args: Namespace) -> None:
    for name, value in clusters.status(args.name, directory=args.cluster_dir).items():
        print(f"{name}: {value}", file=sys.stderr)


def _runs(_: Namespace) -> dict[str, Any]:
    return {
        "runs": [
            {
                "run_id": run.run_id,
                "data": run.data,
                "runner": run.runner,
                "done": [name for name in STEP_NAMES if name in run.steps],
                "top1_error": run.steps.get("evaluate", {}).get("top1_error"),
                "cluster": run.cluster if run.cluster_id and _has_mark(run) else None,
            }
            for run in all_runs()
        ]
    }


def _has_mark(run: Run) -> bool:
    place = clusters.cluster_dir(run.cluster, run.cluster_options.get("directory"))
    return (place / clusters.MARK).exists()


def _sample(args: Namespace) -> dict[str, Any]:
    from pipeline.sample import write_sample  # OpenCV's import takes a while

    sizes = {"n_classes": args.classes, "n_images": args.images}
    given = {name: value for name, value in sizes.items() if value is not None}
    with Progress("sample") as progress:
        summary = write_sample(args.directory, seed=args.seed, progress=progress.note, **given)
    odd_images = [image._asdict() for image in summary.odd_images]
    return {"dir": args.directory, **summary._asdict(), "odd_images": odd_images}


COMMANDS: dict[str, Callable[[Namespace], dict[str, Any]]] = {
    "full": _full,
    **{name: _step for name in STEP_NAMES if name not in ("deploy", "destroy")},
    "up": _up,
    "status": _status,
    "down": _down,
    "runs": _runs,
    "sample": _sample,
    **{name: module.run for name, module in OWN_COMMANDS.items()},
}

"""Write a command's result as text for people."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pipeline import (
    bench_store_command,
    compare_command,
    credentials_command,
    doctor_command,
    duplicates_command,
    explain_command,
    images_command,
    land_command,
    mahout_command,
    plan_command,
    predict_command,
    quarantine_command,
    query_command,
    report_command,
    spark_command,
    sqoop_command,
    ui_command,
    verify_command,
)


def as_text(command: str, result: dict[str, Any]) -> Iterator[str]:
    """Yield the lines to print for a command's result."""
    for line in _LINES.get(command, _key_values)(result):
        yield f"{line}\n"


def _full(result: dict[str, Any]) -> Iterator[str]:
    if "plan" in result:
        yield f"run {result['run_id']}"
        yield from result["plan"]
        return
    if result["synthetic"]:
        yield "SYNTHETIC data: the result says that the pipeline works, nothing about photographs"
    counts = result["counts"]
    told = f"{counts['val']} validation images of {result['n_classes']} synsets"
    for name in sorted(key for key in result if key.endswith("_error")):
        rate, interval = result[name], result[f"{name}_interval"]
        if rate is None:
            continue
        label = name.removesuffix("_error").replace("top", "top-")
        low, high = interval
        yield f"{label} error  {rate:.1%} (95 %: {low:.1%} to {high:.1%}) on {told}"
    quarantined = sum(counts["quarantined"].values())
    yield (
        f"images       {counts['images']} = {counts['kept']} kept + {quarantined} quarantined; "
        f"{counts['train']} trained on"
    )
    for warning in result["warnings"]:
        yield f"warning      {warning}"
    yield f"run          {_short(result['run_dir'])}"
    if result.get("receipt"):
        yield f"destroyed    {_short(result['receipt'])}"


def _short(path: str) -> str:
    """Leave out the working directory."""
    here = Path.cwd()
    return str(Path(path).relative_to(here)) if Path(path).is_relative_to(here) else path


def _runs(result: dict[str, Any]) -> Iterator[str]:
    if not result["runs"]:
        yield "no runs yet; `bin/pipeline full` makes one"
    for run in result["runs"]:
        error = run["top1_error"]
        told = "" if error is None else f"  top-1 error {error:.1%}"
        last = run["done"][-1] if run["done"] else "begun"
        cluster = f"  (cluster {run['cluster']} is still there)" if run["cluster"] else ""
        yield f"{run['run_id']}  {run['runner']:6}  {last:9}{told}  {run['data']}{cluster}"


def _get(result: dict[str, Any]) -> Iterator[str]:
    yield f"images     {result['images']}, {result['bytes']} bytes, in {_short(result['to'])}"
    yield f"rows       {_short(result['rows'])}"
    yield (
        f"read       {result['bytes_read']} bytes in {result['requests']} requests, "
        f"{result['extra_share']:.2%} more than the images"
    )
    yield f"seconds    {result['seconds']}, {result['lookup_s']} of them in the index"
    if result["already_there"]:
        yield f"unchanged  {result['already_there']} that were there already"
    if result["renamed"]:
        yield f"renamed    {result['renamed']}, beside other files of their names"


def _status(result: dict[str, Any]) -> Iterator[str]:
    if not result["exists"]:
        yield f"there is no cluster {result['name']}; `bin/pipeline up` deploys it"
        return
    state = "well" if result["ok"] else "NOT WELL: `bin/pipeline up` starts what is missing"
    yield f"{result['name']} in {result['dir']}: {state}"
    for name, daemon in result["daemons"].items():
        pid = daemon["pid"] or "-"
        yield f"  {name:18} pid {pid!s:8} {daemon['url']:24} {daemon['says']}"
    if "security" in result:
        yield f"  security: {result['security']}"
    for run_id in result["unsaved"]:
        yield f"  run {run_id} is not saved yet"


def _key_values(result: dict[str, Any]) -> Iterator[str]:
    width = max(map(len, result), default=0)
    for key, value in result.items():
        yield f"{key:{width}}  {value}"


_LINES: dict[str, Callable[[dict[str, Any]], Iterator[str]]] = {
    "bench-store": bench_store_command.lines,
    "compare": compare_command.lines,
    "credentials": credentials_command.lines,
    "doctor": doctor_command.lines,
    "duplicates": duplicates_command.lines,
    "explain": explain_command.lines,
    "full": _full,
    "get": _get,
    "images": images_command.lines,
    "land": land_command.lines,
    "mahout": mahout_command.lines,
    "plan": plan_command.lines,
    "report": report_command.lines,
    "runs": _runs,
    "predict": predict_command.lines,
    "query": query_command.lines,
    "quarantine": quarantine_command.lines,
    "spark": spark_command.lines,
    "sqoop": sqoop_command.lines,
    "status": _status,
    "ui": ui_command.lines,
    "verify": verify_command.lines,
}

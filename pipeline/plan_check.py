"""Compare a plan with what a finished run took."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pipeline.plan_cluster import Capacity
from pipeline.plan_estimate import Row, wall_s
from pipeline.runs import Run

TOLERANCE = 0.25
_DONE_BEFORE_S = 0.05  # a step that was done before takes less


def compare(run: Run, rows: Sequence[Row], capacity: Capacity) -> dict[str, Any]:
    """Compare the seconds of the steps; and tasks, bytes and memory, where the run kept them.

    Steps that run side by side are compared together: they end with the last of them. What was
    done before the run is left out.

    Returns
    -------
    run_id; steps: of each `step`, `planned` and `measured` seconds and their `ratio`; the same of
    all; differs: sentences about what else is not as planned; within, whether the ratio of all is
    in the tolerance.
    """
    by_step = {row.step: row for row in rows}
    steps: list[dict[str, Any]] = []
    differs: list[str] = []
    for names, planned in wall_s(rows, capacity):
        reports = {name: run.steps[name] for name in names if name in run.steps}
        measured = max((report["seconds"] for report in reports.values()), default=0.0)
        if measured < _DONE_BEFORE_S:
            continue
        steps.append({"step": " + ".join(names), **_compared(planned, measured)})
        for name, report in reports.items():
            differs += [
                f"{name}: {told}" for told in _differences(by_step[name], report.get("jobs", []))
            ]
    total = _compared(
        sum(each["planned"] for each in steps), sum(each["measured"] for each in steps)
    )
    return {
        "run_id": run.run_id,
        "steps": steps,
        **total,
        "differs": differs,
        "tolerance": TOLERANCE,
        "within": abs(total["ratio"] - 1) <= TOLERANCE,
    }


def _compared(planned: float, measured: float) -> dict[str, float]:
    ratio = round(planned / max(measured, 0.1), 2)
    return {"planned": round(planned, 1), "measured": round(measured, 1), "ratio": ratio}


def _differences(row: Row, jobs: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield how a step's jobs differ: tasks at all, bytes and memory by more than the tolerance.

    Hadoop counts no bytes of a task apart that runs inside its master with others.
    """
    known = [job for job in jobs if job.get("maps")]
    if not known:
        return
    if row.jobs != len(known):
        yield f"{len(known)} jobs, planned {row.jobs}"
    for name in ("maps", "reduces"):
        found = sum(job[name] for job in known)
        if found != getattr(row, name):
            yield f"{found} {name}, planned {getattr(row, name)}"
    for name, what in (("read_bytes", "read"), ("written_bytes", "written")):
        found = sum(job[name] or 0 for job in known)
        alone = not any(job["uber_maps"] for job in known)
        if alone and found and abs(getattr(row, name) / found - 1) > TOLERANCE:
            yield f"{found:,} bytes {what}, planned {getattr(row, name):,}"
    peak_mb = max(job["peak_mb"] or 0 for job in known)
    if peak_mb and abs(row.task_mb / peak_mb - 1) > TOLERANCE:
        yield f"{peak_mb:,} MiB of a task, planned {row.task_mb:,}"

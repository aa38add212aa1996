"""Write a plan for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def lines(result: dict[str, Any]) -> Iterator[str]:
    """Yield the result for people."""
    amounts, totals = result["amounts"], result["totals"]
    yield (
        f"data       {amounts['images']:,} images, {_told(amounts['image_bytes'])}, of "
        f"{amounts['classes']:,} synsets: {amounts['train']:,} to train on, {amounts['tested']:,} "
        f"to test; {result['data']}"
    )
    yield (
        f"cost       {result['calibration']['catalog_ms']:.1f} ms of CPU to catalogue an image, "
        f"{result['calibration']['features_ms']:.1f} ms for its {amounts['n_features']:,} features "
        f"(measured on {result['calibration']['images']})"
    )
    yield f"runs on    {_told_cluster(result)}"
    yield ""
    yield from _table(result["steps"])
    yield ""
    yield (
        f"total      {_told_time(60 * totals['minutes'])}, {totals['cpu_hours']:,.2f} CPU hours; "
        f"{_told(totals['stored_bytes'])} stored with all copies, "
        f"{_told(totals['peak_bytes'])} at most, {_told(totals['shuffle_bytes'])} in the largest "
        "shuffle"
    )
    if result["runner"] == "hadoop":
        yield (
            f"namenode   {totals['namenode_objects']:,} objects, about "
            f"{_told(totals['namenode_bytes'])} of its heap"
        )
    yield from (f"note       {note}" for note in result["notes"])
    if "check" in result:
        yield ""
        yield from _check_lines(result["check"])


def _told_cluster(result: dict[str, Any]) -> str:
    cluster = result["cluster"]
    if result["runner"] != "hadoop":
        return f"{cluster['told']}, {cluster['driver_mb']:,} MiB"
    containers = cluster["nodes"] * cluster["containers"]
    return (
        f"{cluster['told']}: {containers:,} containers of {cluster['container_mb']:,} MiB, "
        f"replication {cluster['replication']}"
    )


_HEAD = ("step", "jobs", "maps", "reduces", "reads", "writes", "shuffles", "task", "driver",
         "CPU", "time")  # fmt: skip


def _table(steps: list[dict[str, Any]]) -> Iterator[str]:
    cells = [_HEAD, *map(_cells, steps)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        told = [text.rjust(width) for text, width in zip(row[1:], widths[1:], strict=True)]
        yield "  ".join([row[0].ljust(widths[0]), *told]).rstrip()


def _cells(step: dict[str, Any]) -> tuple[str, ...]:
    """Return a row's texts: + for beside the step above, a dash where there is nothing to tell."""
    jobs = f"{step['jobs']:,}" if step["jobs"] else "-"
    counts = [f"{step[name]:,}" if step[name] else "-" for name in ("maps", "reduces")]
    names = ("read_bytes", "written_bytes", "shuffled_bytes")
    sizes = [_told(step[name]) if step[name] else "-" for name in names]
    memory = [_told(step[n] * (1 << 20)) if step[n] else "-" for n in ("task_mb", "driver_mb")]
    times = [_told_time(step[name]) for name in ("cpu_s", "seconds")]
    name = f"+ {step['step']}" if step["beside"] else step["step"]
    return (name, jobs, *counts, *sizes, *memory, *times)


def _told(n_bytes: float) -> str:
    """Write a number of bytes in binary units, shortly.

    >>> [_told(n) for n in (150, 2048, 134217728)]
    ['150 B', '2.0 K', '128.0 M']
    """
    for unit in ("B", "K", "M", "G", "T", "P"):
        if n_bytes < 1024 or unit == "P":
            break
        n_bytes /= 1024
    return f"{n_bytes:,.0f} B" if unit == "B" else f"{n_bytes:,.1f} {unit}"


def _told_time(seconds: float) -> str:
    """Write a time.

    >>> [_told_time(s) for s in (0, 2.345, 150, 9000, 1_000_000)]
    ['-', '2.3 s', '2.5 min', '2.5 h', '278 h']
    """
    if not seconds:
        return "-"
    for unit, length in (("h", 3600.0), ("min", 60.0), ("s", 1.0)):
        if seconds >= 2 * length or unit == "s":
            break
    n = seconds / length
    return f"{n:,.0f} {unit}" if n >= 100 else f"{n:.1f} {unit}"


def _check_lines(check: dict[str, Any]) -> Iterator[str]:
    yield f"run {check['run_id']}: seconds planned and measured, and their ratio"
    width = max(len(each["step"]) for each in check["steps"])
    for each in [*check["steps"], {**check, "step": "total"}]:
        yield (
            f"  {each['step']:{width}} {each['planned']:9.1f} {each['measured']:9.1f} "
            f"{each['ratio']:6.2f}"
        )
    yield from (f"  {told}" for told in check["differs"])
    verdict = "within" if check["within"] else "NOT within"
    yield f"  {verdict} {check['tolerance']:.0%}"

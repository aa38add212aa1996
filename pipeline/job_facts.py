"""What a job cost, out of Hadoop's counters."""

from __future__ import annotations


def facts_of(counters: dict[str, dict[str, int]]) -> dict[str, int | None]:
    """Take what a step of a job cost out of Hadoop's counters; None where a runner has none.

    Returns
    -------
    Numbers of tasks `maps` and `reduces`, and of maps inside the application master `uber_maps`;
    `cpu_ms` of all tasks with their Python, but without what a Python took in its last three
    seconds; `peak_mb`, the most memory of a task with its Python;
    `read_bytes` and `written_bytes` in HDFS; `shuffle_bytes`.
    """
    launched = counters.get("Job Counters", counters.get("Job Counters ", {}))
    framework = counters.get("Map-Reduce Framework", {})
    hdfs = counters.get("File System Counters", {})
    peaks = [framework.get(f"Peak {kind} Physical memory (bytes)") for kind in ("Map", "Reduce")]
    known = [peak for peak in peaks if peak]
    return {
        "maps": launched.get("Launched map tasks"),
        "reduces": launched.get("Launched reduce tasks", 0) if launched else None,
        "uber_maps": launched.get("NUM_UBER_SUBMAPS", 0) if launched else None,
        "cpu_ms": framework.get("CPU time spent (ms)"),
        "peak_mb": max(known) >> 20 if known else None,
        "read_bytes": hdfs.get("HDFS: Number of bytes read"),
        "written_bytes": hdfs.get("HDFS: Number of bytes written"),
        "shuffle_bytes": framework.get("Reduce shuffle bytes", 0) if framework else None,
    }
